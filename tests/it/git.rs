//! Reading and writing git remotes, against real `git http-backend` servers.
//!
//! Each test looks at the repository afterwards with git's own eyes, `git fsck --strict` included.

use std::{collections::BTreeMap, convert::Infallible, time::Duration};

use anyhow::{Context as _, Result};
use image_update_core::remote::{BranchName, RepoPath};
use image_update_operator::git::{
    error::{Error, PathError, TransportError, UpdateError},
    options::{Credential, RemoteOptions, Timeouts},
    remote::Remote,
    update::{CommitDraft, Receipt, Signature, Snapshot, UpdateRequest},
};
use image_update_testkit::git_server::{Entry, Fault, GitServer, ObjectFormat};
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

#[tokio::test]
async fn change_is_pushed_over_tls_with_basic_auth() -> Result<()> {
    let server = GitServer::builder()
        .tls()
        .basic_auth(USER, PASSWORD)
        .start()
        .await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    let parent = server.head("env", "main")?;

    let receipt = set_tag(&remote, VALUES, "1.1.0").await?;

    let commit_id = server.head("env", "main")?;
    let Receipt::Pushed {
        branch,
        commit_id: id,
        parent: on,
        attempts,
        files,
    } = receipt
    else {
        anyhow::bail!("nothing was pushed");
    };
    assert_eq!((branch.as_str(), attempts), ("main", 1));
    assert_eq!(
        (id.to_string(), on.to_string()),
        (commit_id.clone(), parent.clone())
    );
    assert_eq!(files, [path(VALUES)]);
    assert_eq!(
        server.show("env", "main", VALUES)?,
        b"image:\n  tag: 1.1.0\n"
    );
    let log = server.log("env", "main")?;
    assert_eq!(log[0].id, commit_id);
    assert_eq!(log[0].parents, [parent]);
    assert_eq!(log[0].author, "Updater <updater@example.org>");
    assert_eq!(log[0].subject, "Update shop");
    assert_eq!(log[0].body, "to 1.1.0");
    server.fsck("env")
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
        timeouts: Timeouts::default(),
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
    }
}

fn request(files: &[&str]) -> UpdateRequest {
    UpdateRequest {
        branch: None,
        paths: files.iter().map(|file| path(file)).collect(),
    }
}

fn path(text: &str) -> RepoPath {
    text.parse().expect("the test's path is valid")
}

fn branch(text: &str) -> BranchName {
    text.parse().expect("the test's branch is valid")
}
