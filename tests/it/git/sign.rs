//! Signed commits, verified by git itself with `ssh-keygen` and `gpg`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use image_update_operator::git::signing::{SigningKey, SigningKeyError};
use image_update_testkit::git_server::{GitServer, ObjectFormat};
use jiff::Timestamp;

use super::{FILES, VALUES, remote, request, with_tag};

const PASSPHRASE: &str = "open-sesame";

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).expect("a time that jiff knows")
}

/// Runs a program; its absence is a failure that says what to install.
fn run(program: &str, home: &Path, arguments: &[&str]) -> Result<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the keys of users come from these programs"
    )]
    let output = std::process::Command::new(program)
        .args(arguments)
        .env("GNUPGHOME", home)
        .output()
        .with_context(|| format!("{program} is needed: install gnupg and openssh-client"))?;
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{program} {arguments:?}: {words}");
    Ok(String::from_utf8(output.stdout)?)
}

/// Pushes a signed commit and returns what `git verify-commit` says with these settings.
async fn verify(format: ObjectFormat, key: SigningKey, settings: &[String]) -> Result<String> {
    let server = GitServer::builder().start().await?;
    server.create_repository_of("env", format, FILES)?;
    let remote = remote(&server, "env")?;
    let key = Arc::new(key);
    let receipt = remote
        .update(&request(&[VALUES]), |snapshot| {
            let draft = with_tag(snapshot, VALUES, "1.1.0").map(|mut draft| {
                draft.signing = Some(Arc::clone(&key));
                draft
            });
            Ok::<_, std::convert::Infallible>(draft)
        })
        .await?;
    server.fsck("env")?;
    let commit = receipt.commit_id().to_string();
    let mut arguments: Vec<&str> = settings.iter().flat_map(|it| ["-c", it]).collect();
    arguments.extend(["log", "-1", "--format=%G? %GS", &commit]);
    let verdict = server.git("env", &arguments)?;
    let mut arguments: Vec<&str> = settings.iter().flat_map(|it| ["-c", it]).collect();
    arguments.extend(["verify-commit", &commit]);
    server.git("env", &arguments)?;
    Ok(verdict)
}

fn ssh_key(home: &Path, kind: &[&str], passphrase: &str) -> Result<(String, PathBuf)> {
    let file = home.join("key");
    let path = file.to_str().context("the path is text")?;
    let mut arguments = vec!["-q", "-N", passphrase, "-C", "robot", "-f", path];
    arguments.extend(kind);
    run("ssh-keygen", home, &arguments)?;
    let public = std::fs::read_to_string(home.join("key.pub"))?;
    let signers = home.join("signers");
    std::fs::write(&signers, format!("updater@example.org {public}"))?;
    Ok((std::fs::read_to_string(file)?, signers))
}

#[tokio::test]
async fn git_verifies_ssh_signatures() -> Result<()> {
    let kinds: [(&[&str], &str, ObjectFormat); 4] = [
        (&["-t", "ed25519"], "", ObjectFormat::Sha1),
        (&["-t", "ed25519"], PASSPHRASE, ObjectFormat::Sha256),
        (&["-t", "ecdsa", "-b", "256"], "", ObjectFormat::Sha1),
        (&["-t", "rsa", "-b", "2048"], PASSPHRASE, ObjectFormat::Sha1),
    ];
    for (kind, passphrase, format) in kinds {
        let home = tempfile::tempdir()?;
        let (text, signers) = ssh_key(home.path(), kind, passphrase)?;
        let key = SigningKey::parse(&text, Some(passphrase), now())?;
        let settings = [
            "gpg.format=ssh".to_owned(),
            format!("gpg.ssh.allowedSignersFile={}", signers.display()),
        ];
        let verdict = verify(format, key, &settings).await?;
        assert_eq!(verdict, "G updater@example.org", "{kind:?}");
    }
    Ok(())
}

/// A key ring with a key, its text, and the settings with which git asks that ring.
struct Ring {
    home: tempfile::TempDir,
    text: String,
    settings: Vec<String>,
}

impl Ring {
    /// `primary` and `subkeys` as `gpg --quick-generate-key` and `--quick-add-key` take them.
    fn new(primary: [&str; 3], subkeys: &[[&str; 3]], passphrase: &str) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("ring").tempdir()?;
        let gpg = |arguments: &[&str]| {
            let mut all = vec!["--batch", "--pinentry-mode", "loopback", "--passphrase"];
            all.push(passphrase);
            all.extend(arguments);
            run("gpg", home.path(), &all)
        };
        let [algorithm, usage, expires] = primary;
        let id = "Updater <updater@example.org>";
        gpg(&["--quick-generate-key", id, algorithm, usage, expires])?;
        let listing = gpg(&["--with-colons", "--list-keys"])?;
        let fingerprint = listing
            .lines()
            .find_map(|line| line.strip_prefix("fpr:::::::::"))
            .context("gpg lists the fingerprint")?
            .trim_end_matches(':')
            .to_owned();
        for [algorithm, usage, expires] in subkeys {
            gpg(&["--quick-add-key", &fingerprint, algorithm, usage, expires])?;
        }
        let text = gpg(&["--armor", "--export-secret-keys", &fingerprint])?;
        let program = home.path().join("gpg-of-this-ring");
        let script = format!(
            "#!/bin/sh\nGNUPGHOME='{}' exec gpg \"$@\"\n",
            home.path().display()
        );
        std::fs::write(&program, script)?;
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, permissions)?;
        let settings = vec![format!("gpg.program={}", program.display())];
        Ok(Self {
            home,
            text,
            settings,
        })
    }
}

impl Drop for Ring {
    /// The agent that gpg started would outlive the ring.
    fn drop(&mut self) {
        let stopped = run("gpgconf", self.home.path(), &["--kill", "all"]);
        drop(stopped);
    }
}

#[tokio::test]
async fn git_verifies_openpgp_signatures() -> Result<()> {
    let rings = [
        Ring::new(["ed25519", "sign", "never"], &[], "")?,
        Ring::new(
            ["rsa2048", "cert", "never"],
            &[["cv25519", "encr", "never"], ["rsa2048", "sign", "never"]],
            PASSPHRASE,
        )?,
        Ring::new(
            ["ed25519", "cert", "never"],
            &[["ed25519", "sign", "never"]],
            PASSPHRASE,
        )?,
    ];
    for ring in rings {
        let key = SigningKey::parse(&ring.text, Some(PASSPHRASE), now())?;
        let verdict = verify(ObjectFormat::Sha1, key, &ring.settings).await?;
        assert!(
            verdict.ends_with("Updater <updater@example.org>") && !verdict.starts_with(['B', 'N']),
            "{verdict}"
        );
    }
    Ok(())
}

#[test]
fn keys_that_cannot_sign_are_refused() -> Result<()> {
    let home = tempfile::tempdir()?;
    let (encrypted, _) = ssh_key(home.path(), &["-t", "ed25519"], PASSPHRASE)?;
    let ring = Ring::new(["ed25519", "sign", "1d"], &[], PASSPHRASE)?;
    let only_certifies = Ring::new(["ed25519", "cert", "never"], &[], "")?;
    let late = Timestamp::from_second(4_000_000_000)?;

    check(&encrypted, None, now(), SigningKeyError::NoPassphrase);
    check(
        &encrypted,
        Some("wrong"),
        now(),
        SigningKeyError::WrongPassphrase,
    );
    check(&ring.text, None, now(), SigningKeyError::NoPassphrase);
    check(
        &ring.text,
        Some("wrong"),
        now(),
        SigningKeyError::WrongPassphrase,
    );
    check(
        &ring.text,
        Some(PASSPHRASE),
        late,
        SigningKeyError::Unusable,
    );
    check(&only_certifies.text, None, now(), SigningKeyError::Unusable);
    check("ssh-ed25519 AAAA", None, now(), SigningKeyError::Unknown);
    check("", None, now(), SigningKeyError::Unknown);
    let half = |text: &str| text[..text.len() / 2].to_owned();
    check(&half(&encrypted), None, now(), SigningKeyError::Malformed);
    check(&half(&ring.text), None, now(), SigningKeyError::Malformed);
    Ok(())
}

#[track_caller]
fn check(text: &str, passphrase: Option<&str>, now: Timestamp, expected: SigningKeyError) {
    let error = SigningKey::parse(text, passphrase, now).expect_err("the key can't sign");
    assert_eq!(error, expected);
    assert!(!format!("{error:?} {error}").contains(PASSPHRASE));
}
