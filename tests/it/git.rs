//! Reading and writing git remotes, against real `git http-backend` servers.
//!
//! Each test looks at the repository afterwards with git's own eyes, `git fsck --strict` included.

mod access;
mod branch;
mod fetch;
mod odd;
mod race;
mod sign;
mod ssh;
mod transport;
mod write;

use std::convert::Infallible;

use anyhow::{Context as _, Result};
use image_update_core::remote::{BranchName, RepoPath};
use image_update_operator::git::{
    error::{Error, PathError, TransportError, UpdateError},
    options::{Credential, RemoteOptions},
    remote::Remote,
    update::{CommitDraft, Paths, Receipt, Signature, Snapshot, UpdateRequest},
};
use image_update_testkit::git_server::GitServer;
use jiff::Timestamp;

const USER: &str = "somebody";
const PASSWORD: &str = "correct-horse";
const VALUES: &str = "apps/shop/values.yaml";

/// A small repository with what real ones have.
const FILES: &[(&str, &[u8])] = &[
    ("README.md", b"read me\n"),
    ("apps/bank/values.yaml", b"image:\n  tag: 2.0.0\n"),
    ("apps/shop/other.yaml", b"other: true\n"),
    (VALUES, b"image:\n  tag: 1.0.0\n"),
];

/// A server of [`FILES`] that can leave files out, or not.
async fn server(allow_filter: bool) -> Result<GitServer> {
    let server = GitServer::builder()
        .allow_filter(allow_filter)
        .start()
        .await?;
    server.create_repository("env", FILES)?;
    Ok(server)
}

/// A remote with the server's authority and the right credential.
fn remote(server: &GitServer, name: &str) -> Result<Remote> {
    remote_with(server, name, |_| {})
}

fn remote_with(
    server: &GitServer,
    name: &str,
    change: impl FnOnce(&mut RemoteOptions),
) -> Result<Remote> {
    install_provider();
    let mut options = RemoteOptions {
        credential: Some(Credential::basic(USER, PASSWORD)),
        ca_pem: server.ca_pem().map(|pem| pem.as_bytes().to_vec()),
        insecure: server.ca_pem().is_none(),
        ..RemoteOptions::default()
    };
    change(&mut options);
    let url = server.url(name).parse().context("the server's address")?;
    Ok(Remote::new(url, &options)?)
}

/// Two tests may come first at once: only one of them is told that it was.
fn install_provider() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
}

async fn set_tag(
    remote: &Remote,
    file: &str,
    tag: &str,
) -> Result<Receipt, UpdateError<Infallible>> {
    remote
        .update(&request(&[file]), |snapshot| {
            Ok(with_tag(snapshot, file, tag))
        })
        .await
}

/// The change the tests make: the text after `tag: `, whatever else is in the file.
fn with_tag(snapshot: &Snapshot, file: &str, tag: &str) -> Option<CommitDraft> {
    let content = snapshot.files.get(&path(file))?.as_ref()?;
    let content = std::str::from_utf8(content).ok()?;
    let (before, rest) = content.split_once("tag: ")?;
    let (_, after) = rest.split_once('\n')?;
    Some(draft(
        &[(file, format!("{before}tag: {tag}\n{after}").as_bytes())],
        tag,
    ))
}

fn draft(files: &[(&str, &[u8])], tag: &str) -> CommitDraft {
    let time = Timestamp::from_second(1_700_000_100).expect("a time that jiff knows");
    CommitDraft {
        files: files
            .iter()
            .map(|(file, content)| (path(file), content.to_vec()))
            .collect(),
        message: format!("Update shop\n\nto {tag}"),
        author: Signature::new("Updater", "updater@example.org", time).expect("a valid author"),
        signing: None,
    }
}

fn request(files: &[&str]) -> UpdateRequest {
    UpdateRequest {
        paths: files.iter().map(|file| path(file)).collect(),
        ..UpdateRequest::default()
    }
}

fn path(text: &str) -> RepoPath {
    text.parse().expect("the test's path is valid")
}

fn branch(text: &str) -> BranchName {
    text.parse().expect("the test's branch is valid")
}

async fn check_read(server: &GitServer, name: &str, remote: &Remote, expected: &str) {
    let error = remote
        .read(None, &Paths::from_iter([path(VALUES)]))
        .await
        .expect_err("the read fails");
    check_error(server, name, &error, expected);
}

async fn refused_write(remote: &Remote, files: &[(&str, &[u8])]) -> Error {
    let request = request(&[]);
    let write = remote.update(&request, |_| Ok::<_, Infallible>(Some(draft(files, "1"))));
    match write.await.expect_err("the write is refused") {
        UpdateError::Git(error) | UpdateError::Build { source: error, .. } => error,
        UpdateError::Decide(never) => match never {},
    }
}

/// An error with its causes, up to those of the HTTP client.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    let is_client = |it: &dyn std::error::Error| {
        it.to_string().starts_with("error sending request")
            || it.to_string().starts_with("error decoding")
    };
    while let Some(current) = cause.filter(|it| !is_client(*it)) {
        text = format!("{text}: {current}");
        cause = current.source();
    }
    text
}

/// Compares an error with its causes to the expected text, and looks for secrets in it.
#[track_caller]
fn check_error(server: &GitServer, name: &str, error: &dyn std::error::Error, expected: &str) {
    let text = describe(error);
    assert_eq!(text.replace(&server.url(name), "<remote>"), expected);
    let everything = format!("{error:?} {text}");
    for secret in [PASSWORD, "wrong-horse", "c29tZWJvZHk6"] {
        assert!(!everything.contains(secret), "{everything}");
    }
}

#[track_caller]
fn check_path_error(error: &Error, at: &str, expected: PathError) {
    let Error::Path { path, source, .. } = error else {
        unreachable!("another error than expected: {error:?}");
    };
    assert_eq!((path.as_str(), *source), (at, expected));
}

fn is_transport(error: &Error, expected: impl Fn(&TransportError) -> bool) -> bool {
    matches!(error, Error::Transport { source, .. } if expected(source))
}
