//! The file about registries: where its credentials come from, and how it is followed.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use image_update_core::image::Repository;
use image_update_operator::program::ProgramError;
use image_update_operator::registry::conf::{CredentialError, LoadError, Registries, Source};
use image_update_operator::registry::{Access, Client, Credential};
use image_update_testkit::registry::Registry;
use tempfile::TempDir;
use zeroize::Zeroizing;

use super::{PASSWORD, USER};

fn folder() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

/// The environment of these tests.
fn environment(name: &str) -> Option<Zeroizing<String>> {
    let value = match name {
        "PAIR" => format!("{USER}:{PASSWORD}\n"),
        "WORD" => "word".to_owned(),
        _ => return None,
    };
    Some(Zeroizing::new(value))
}

fn repository(registry: &str) -> Repository {
    let text = format!("{registry}/org/app");
    text.parse().expect("it is a repository")
}

/// A file with one registry at `host`, and these lines.
fn write(folder: &Path, host: &str, lines: &str) -> std::path::PathBuf {
    let path = folder.join("registries.conf");
    let text = format!(
        "registries:\n- name: ours\n  prefix: {host}\n  api_url: http://{host}\n  {lines}\n"
    );
    fs::write(&path, text).expect("the file can be written");
    path
}

/// A program that runs this script.
fn program(folder: &Path, script: &str) -> String {
    let path = folder.join("login.sh");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("the program can be written");
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(&path, mode).expect("it can be made one");
    path.display().to_string()
}

fn here(source: &Result<Source, CredentialError>) -> Option<Credential> {
    match source {
        Ok(Source::Here(credential)) => Some(credential.clone()),
        Ok(_) | Err(_) => None,
    }
}

async fn credential(lines: &str, folder: &Path, programs: bool) -> Result<Source, CredentialError> {
    let path = write(folder, "registry.example", lines);
    let registries = Registries::load(&path, environment, programs).expect("the file is right");
    let found = registries.find(&repository("registry.example"));
    registries.credential(&found.expect("it is there")).await
}

#[tokio::test]
async fn a_registry_with_a_login_is_asked_with_what_the_file_names() {
    let registry = Registry::builder().htpasswd(USER, PASSWORD).start().await;
    let registry = registry.expect("the registry starts");
    let pushed = registry.push("org/app", "1.0.0").await;
    pushed.expect("the image is pushed");
    let folder = folder();
    let script = program(folder.path(), &format!("echo '{USER}:{PASSWORD}'"));
    for credentials in ["env:PAIR".to_owned(), format!("ext:{script}")] {
        let lines = format!("credentials: {credentials}");
        let path = write(folder.path(), &registry.host(), &lines);
        let registries = Registries::load(&path, environment, true).expect("the file is right");
        let repository = repository(&registry.host());
        let found = registries.find(&repository).expect("it is there");
        let credential = here(&registries.credential(&found).await).expect(&credentials);
        let mut access = Access {
            credential: Some(credential),
            ..Access::default()
        };
        registries.apply(found, &mut access);
        let list = Client::new().list_tags(&repository, &access).await;
        assert_eq!(list.expect(&credentials).tags.len(), 1);
    }
}

#[tokio::test]
async fn a_secret_is_named_and_not_read() {
    let folder = folder();
    let source = credential("credentials: pullsecret:ns/name", folder.path(), false).await;
    assert!(
        matches!(source, Ok(Source::PullSecret { .. })),
        "{source:?}"
    );
    let source = credential("credentials: secret:ns/name#field", folder.path(), false).await;
    assert!(matches!(source, Ok(Source::Secret { .. })), "{source:?}");
    let source = credential("insecure: true", folder.path(), false).await;
    assert!(matches!(source, Ok(Source::Nowhere)), "{source:?}");
}

#[tokio::test]
async fn what_gives_no_credential_says_why_and_never_what_it_gave() {
    let folder = folder();
    for (lines, script, expected) in [
        ("env:NONE", "", "the environment variable NONE is not set"),
        ("env:WORD", "", "env:WORD did not give user:password"),
        ("ext", "echo secret-word", "did not give user:password"),
        ("ext", "echo a:secret-word; exit 3", "exit status: 3"),
        (
            "ext",
            "echo a:secret-word >&2",
            "did not give user:password",
        ),
        ("ext", "head -c 70000 /dev/zero", "more than 65536 bytes"),
        ("ext", r"printf 'a:\377'", "did not print text"),
    ] {
        let path = program(folder.path(), script);
        let lines = lines.replace("ext", &format!("ext:{path}"));
        let source = credential(&format!("credentials: {lines}"), folder.path(), true).await;
        let error = anyhow::Error::new(source.expect_err(script));
        let text = format!("{error:#}");
        assert!(text.contains(expected), "{script}: {text}");
        assert!(!text.contains("secret-word"), "{text}");
    }
    let lines = format!("credentials: ext:{}", program(folder.path(), "echo a:b"));
    let refused = credential(&lines, folder.path(), false).await;
    assert!(
        matches!(refused, Err(CredentialError::ProgramsNotAllowed { .. })),
        "{refused:?}"
    );
    let missing = credential("credentials: ext:/no/such/program", folder.path(), true).await;
    let is_io = |error: &ProgramError| matches!(error, ProgramError::Io(_));
    assert!(
        matches!(&missing, Err(CredentialError::Program { source, .. }) if is_io(source)),
        "{missing:?}"
    );
}

/// How often the program ran, by the lines it left.
fn runs(folder: &Path) -> usize {
    let log = fs::read_to_string(folder.join("runs")).unwrap_or_default();
    log.lines().count()
}

#[tokio::test]
async fn a_program_is_run_again_when_its_credential_expired_or_was_refused() {
    let folder = folder();
    let log = folder.path().join("runs");
    let script = program(
        folder.path(),
        &format!("echo x >> {}\necho a:b", log.display()),
    );
    let path = write(
        folder.path(),
        "registry.example",
        &format!("credentials: ext:{script}\n  credsexpire: 1s"),
    );
    let registries = Registries::load(&path, environment, true).expect("the file is right");
    let found = registries
        .find(&repository("registry.example"))
        .expect("it is there");
    let ask = async || {
        let credential = here(&registries.credential(&found).await);
        assert!(credential == Some(Credential::basic("a", "b")));
        runs(folder.path())
    };
    assert_eq!((ask().await, ask().await), (1, 1));
    registries.refuse(&found);
    assert_eq!(ask().await, 2);
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(ask().await, 3);
}

#[tokio::test]
async fn a_file_that_can_not_be_used_names_the_line() {
    let folder = folder();
    let path = write(folder.path(), "registry.example", "api_ulr: x");
    let error = Registries::load(&path, environment, false).expect_err("the key is unknown");
    assert!(matches!(error, LoadError::Invalid { .. }), "{error:?}");
    assert!(error.to_string().contains("line 5: "), "{error}");
    let error = Registries::load(&folder.path().join("none"), environment, false);
    assert!(matches!(error, Err(LoadError::Read { .. })), "{error:?}");
    let path = write(folder.path(), "registry.example", "ca_file: /no/such.pem");
    let error = Registries::load(&path, environment, false);
    assert!(matches!(error, Err(LoadError::Read { .. })), "{error:?}");
}

#[test]
fn a_changed_file_is_read_and_a_broken_one_changes_nothing() {
    let folder = folder();
    let path = write(folder.path(), "one.example", "limit: 5");
    let registries = Registries::load(&path, environment, false).expect("the file is right");
    let knows = |host: &str| registries.find(&repository(host)).is_some();
    assert!(matches!(registries.reload(), Ok(false)));
    assert!(knows("one.example") && !knows("two.example"));
    write(folder.path(), "two.example", "limit: 5");
    assert!(matches!(registries.reload(), Ok(true)));
    assert!(!knows("one.example") && knows("two.example"));
    write(folder.path(), "three.example", "limit: five");
    registries.reload().expect_err("five is no number");
    assert!(knows("two.example") && !knows("three.example"));
}
