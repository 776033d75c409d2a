//! Remotes over SSH: which keys open which doors, whom they are shown to, and what is said when
//! it does not work. Against the system's own `sshd`.

use std::time::Duration;

use anyhow::{Context as _, Result};
use image_update_operator::git::{
    error::{Error, HostKeyError, IdentityError, SshError, TransportError, UpdateError},
    options::{Credential, Identity, Proxy, RemoteOptions},
    remote::Remote,
    update::{Paths, UpdateRequest},
};
use image_update_testkit::{
    git_server::GitServer,
    ssh_server::{KeyFormat, KeyType, SshServer, UserKey},
};
use tokio::net::TcpListener;

use super::{
    FILES, VALUES, branch, describe, draft, install_provider, is_transport, request, set_tag,
};

const PASSPHRASE: &str = "open-sesame";

/// A repository `env` behind sshd, and a key that it lets in.
struct Doors {
    git: GitServer,
    ssh: SshServer,
    key: UserKey,
}

impl Doors {
    async fn open() -> Result<Self> {
        Self::of(SshServer::builder().host_keys(&[KeyType::Ed25519])).await
    }

    async fn of(builder: image_update_testkit::ssh_server::Builder) -> Result<Self> {
        let git = GitServer::builder().start().await?;
        git.create_repository("env", FILES)?;
        let ssh = builder.start(&git).await?;
        let key = UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "")?;
        ssh.authorize(&key, "")?;
        Ok(Self { git, ssh, key })
    }

    /// The remote as it should be asked.
    fn remote(&self) -> Result<Remote> {
        self.remote_knowing(&self.ssh.known_hosts(KeyType::Ed25519)?)
    }

    fn remote_knowing(&self, known_hosts: &str) -> Result<Remote> {
        self.remote_of("env", &self.key, None, known_hosts)
    }

    fn remote_of(
        &self,
        name: &str,
        key: &UserKey,
        passphrase: Option<&str>,
        known_hosts: &str,
    ) -> Result<Remote> {
        let identity = Identity::parse(&key.private, passphrase, known_hosts)?;
        let options = RemoteOptions {
            credential: Some(Credential::identity(identity)),
            ..RemoteOptions::default()
        };
        let url = self.ssh.url(name).parse().context("the server's address")?;
        Ok(Remote::new(url, &options)?)
    }

    /// What a read ends with, the address replaced.
    async fn refusal(&self, name: &str, remote: &Remote) -> (Error, String) {
        let error = remote.read(None, &request(&[VALUES]).paths).await;
        let error = error.expect_err("the read fails");
        let text = describe(&error).replace(&self.ssh.url(name), "<remote>");
        assert!(!text.contains("PRIVATE KEY"), "{text}");
        (error, text)
    }
}

#[tokio::test]
async fn keys_of_every_type_and_format_write() -> Result<()> {
    use KeyFormat::{Openssh, Pem, Pkcs8};
    let doors = Doors::open().await?;
    let known_hosts = doors.ssh.known_hosts(KeyType::Ed25519)?;
    let rows = [
        (KeyType::Ed25519, Openssh),
        (KeyType::Ecdsa, Openssh),
        (KeyType::Ecdsa, Pem),
        (KeyType::Ecdsa, Pkcs8),
        (KeyType::Rsa, Openssh),
        (KeyType::Rsa, Pem),
        (KeyType::Rsa, Pkcs8),
    ];
    let mut number = 0;
    for (key_type, format) in rows {
        for passphrase in ["", PASSPHRASE] {
            if (key_type, format, passphrase) == (KeyType::Ecdsa, Pem, PASSPHRASE) {
                // Not read, and said so: see below.
                continue;
            }
            number += 1;
            let row = format!("{key_type:?} {format:?} {passphrase:?}");
            let key = UserKey::generate(key_type, format, passphrase).context(row.clone())?;
            doors.ssh.authorize(&key, "")?;
            let passphrase = Some(passphrase).filter(|it| !it.is_empty());
            let remote = doors.remote_of("env", &key, passphrase, &known_hosts);
            let remote = remote.context(row.clone())?;
            let written = set_tag(&remote, VALUES, &number.to_string()).await;
            written.context(row)?;
        }
    }
    let content = doors.git.show("env", "main", VALUES)?;
    assert_eq!(content, format!("image:\n  tag: {number}\n").as_bytes());
    assert_eq!(doors.git.count_commits("env", "main")?, number + 1);
    doors.git.fsck("env")
}

#[tokio::test]
async fn a_read_is_one_connection_and_a_write_two() -> Result<()> {
    let doors = Doors::open().await?;
    let remote = doors.remote()?;
    remote.read(None, &request(&[VALUES]).paths).await?;
    assert_eq!(doors.ssh.logins()?, 1);
    set_tag(&remote, VALUES, "2").await?;
    assert_eq!(doors.ssh.logins()?, 3);
    // Nothing to change: nobody is asked to take a push.
    set_tag(&remote, VALUES, "2").await?;
    assert_eq!(doors.ssh.logins()?, 4);
    Ok(())
}

#[tokio::test]
async fn branches_are_made_over_ssh_too() -> Result<()> {
    let doors = Doors::open().await?;
    let remote = doors.remote()?;
    let request = UpdateRequest {
        push: Some(branch("image-updates")),
        ..request(&[VALUES])
    };
    for tag in ["2", "3"] {
        let content = format!("image:\n  tag: {tag}\n");
        let decide = |_: &_| {
            Ok::<_, std::convert::Infallible>(Some(draft(&[(VALUES, content.as_bytes())], tag)))
        };
        remote.update(&request, decide).await?;
    }
    assert_eq!(doors.git.count_commits("env", "image-updates")?, 3);
    assert_eq!(doors.git.count_commits("env", "main")?, 1);
    doors.git.fsck("env")
}

#[tokio::test]
async fn every_type_of_host_key_is_verified() -> Result<()> {
    for key_type in KeyType::ALL {
        let doors = Doors::of(SshServer::builder().host_keys(&[key_type])).await?;
        let remote = doors.remote_knowing(&doors.ssh.known_hosts(key_type)?)?;
        remote
            .read(None, &request(&[VALUES]).paths)
            .await
            .context(format!("{key_type:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_with_many_keys_is_asked_for_one_that_is_known() -> Result<()> {
    let doors = Doors::of(SshServer::builder()).await?;
    for key_type in KeyType::ALL {
        let remote = doors.remote_knowing(&doors.ssh.known_hosts(key_type)?)?;
        remote
            .read(None, &request(&[VALUES]).paths)
            .await
            .context(format!("{key_type:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_known_is_sent_nothing() -> Result<()> {
    let doors = Doors::open().await?;
    let name = doors.ssh.host_name();
    let own = doors.ssh.host_key(KeyType::Ed25519)?;
    let other = UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "")?;
    let other = other.public.trim();
    let rows: [(String, fn(&_) -> _, _); 5] = [
        (
            format!("{name} {other}"),
            |it| matches!(it, HostKeyError::Mismatch { .. }),
            "the host key is not the one in known_hosts: the server shows ssh-ed25519 SHA256:",
        ),
        (
            format!("git.example {own}"),
            |it| matches!(it, HostKeyError::Unknown { .. }),
            "the host is not in known_hosts; the server shows ssh-ed25519 SHA256:",
        ),
        // The same host by its other port.
        (
            format!("127.0.0.1 {own}"),
            |it| matches!(it, HostKeyError::Unknown { .. }),
            "the host is not in known_hosts; the server shows ssh-ed25519 SHA256:",
        ),
        (
            format!("{name} {own}\n@revoked * {own}"),
            |it| matches!(it, HostKeyError::Revoked { .. }),
            "is marked @revoked in known_hosts",
        ),
        (
            format!("@cert-authority {name} {own}"),
            |it| matches!(it, HostKeyError::AuthorityOnly { .. }),
            "known_hosts has nothing but a @cert-authority for the host",
        ),
    ];
    for (known_hosts, expected, words) in rows {
        let remote = doors.remote_knowing(&known_hosts)?;
        let (error, text) = doors.refusal("env", &remote).await;
        let is_expected = is_transport(
            &error,
            |it| matches!(it, TransportError::Ssh(SshError::HostKey(it)) if expected(it)),
        );
        assert!(is_expected && text.contains(words), "{known_hosts}: {text}");
    }
    assert_eq!(doors.ssh.logins()?, 0);
    Ok(())
}

#[tokio::test]
async fn refusals_over_ssh_are_told_apart() -> Result<()> {
    let doors = Doors::open().await?;
    let known_hosts = doors.ssh.known_hosts(KeyType::Ed25519)?;
    let stranger = UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "")?;
    let (wordy, chatty, silent) = (
        UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "")?,
        UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "")?,
        UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "")?,
    );
    let ssh = &doors.ssh;
    ssh.authorize(
        &wordy,
        r#"command="echo 'ERROR: No such \033[31mproject' >&2; exit 1""#,
    )?;
    ssh.authorize(&chatty, r#"command="echo Welcome!""#)?;
    ssh.authorize(&silent, r#"command="exit 1""#)?;
    let user = ssh.url("env");
    let user = user.trim_start_matches("ssh://").split('@').next();
    let user = user.context("the address has a user")?;
    let talk = "could not talk to <remote>: ";
    let rows = [
        (
            "env",
            &stranger,
            format!("{talk}the server does not accept the key for user {user}"),
        ),
        (
            "env",
            &chatty,
            format!(
                "{talk}the answer is not git's but starts with \"Welcome!\"\n\
                 hint: the server's shell prints it"
            ),
        ),
        (
            "env",
            &silent,
            format!("{talk}the server ended the session without a word"),
        ),
    ];
    for (name, key, expected) in rows {
        let remote = doors.remote_of(name, key, None, &known_hosts)?;
        let (_, text) = doors.refusal(name, &remote).await;
        assert_eq!(text, expected);
    }

    let remote = doors.remote_of("env", &wordy, None, &known_hosts)?;
    let (_, text) = doors.refusal("env", &remote).await;
    assert!(
        text.starts_with(&format!(
            "{talk}the server ended the session and said: ERROR: No such "
        )),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text:?}");

    let remote = doors.remote_of("missing", &doors.key, None, &known_hosts)?;
    let (error, text) = doors.refusal("missing", &remote).await;
    assert!(
        text.contains("does not appear to be a git repository"),
        "{text}"
    );
    let is_refused = |it: &_| matches!(it, TransportError::Ssh(SshError::Refused { .. }));
    assert!(is_transport(&error, is_refused), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_takes_no_wish_for_version_two_is_read_and_written() -> Result<()> {
    let doors = Doors::of(
        SshServer::builder()
            .host_keys(&[KeyType::Ed25519])
            .protocol_v0(),
    )
    .await?;
    let remote = doors.remote()?;
    let before = doors.ssh.logins()?;
    set_tag(&remote, VALUES, "2").await?;
    // The refs with the trees and the file, which a server without ids sends together; the push.
    assert_eq!(doors.ssh.logins()? - before, 2);

    let others: [(&str, &[u8]); 2] = [(VALUES, b"image:\n  tag: 3\n"), ("people", b"1")];
    doors.git.commit("env", "main", &others, "Others")?;
    set_tag(&remote, VALUES, "4").await?;
    assert_eq!(
        doors.git.show("env", "main", VALUES)?,
        b"image:\n  tag: 4\n"
    );
    assert_eq!(doors.git.count_commits("env", "main")?, 4);

    // Where ids are taken, the refs and the trees, and the file.
    doors
        .git
        .configure("env", "uploadpack.allowAnySHA1InWant", "true")?;
    let remote = doors.remote()?;
    let before = doors.ssh.logins()?;
    remote.read(None, &request(&[VALUES]).paths).await?;
    assert_eq!(doors.ssh.logins()? - before, 2);
    let files = request(&["apps/bank/values.yaml"]).paths;
    let snapshot = remote.read(None, &files).await?;
    assert_eq!(
        snapshot.commit_id.to_string(),
        doors.git.head("env", "main")?
    );
    doors.git.fsck("env")
}

#[tokio::test]
async fn words_of_a_hook_are_told_over_ssh() -> Result<()> {
    let doors = Doors::open().await?;
    let remote = doors.remote()?;
    let script = "echo 'GL-HOOK-ERR: no direct pushes' >&2\nexit 1";
    doors.git.install_hook("env", "pre-receive", script)?;
    let error = set_tag(&remote, VALUES, "2")
        .await
        .expect_err("the hook refuses");
    assert!(
        matches!(error, UpdateError::Git(Error::PushRejected { .. })),
        "{error:?}"
    );
    let text = describe(&error).replace(&doors.ssh.url("env"), "<remote>");
    assert_eq!(
        text,
        "<remote> refused the push to main: pre-receive hook declined: GL-HOOK-ERR: no direct pushes"
    );
    assert_eq!(doors.git.count_commits("env", "main")?, 1);
    doors.git.remove_hook("env", "pre-receive")?;
    set_tag(&remote, VALUES, "2").await?;
    doors.git.fsck("env")
}

#[tokio::test]
async fn connection_lost_after_a_push_over_ssh_makes_one_commit() -> Result<()> {
    let doors = Doors::open().await?;
    let remote = doors.remote()?;
    // The branch has moved by then, and the program ends before it can say so.
    doors
        .git
        .install_hook("env", "post-receive", "kill -9 $PPID")?;
    set_tag(&remote, VALUES, "2").await?;
    assert_eq!(doors.git.count_commits("env", "main")?, 2);
    doors.git.fsck("env")
}

#[tokio::test]
async fn writers_over_ssh_lose_nothing() -> Result<()> {
    let doors = Doors::open().await?;
    let mut writers = tokio::task::JoinSet::new();
    for file in [VALUES, "apps/bank/values.yaml"] {
        let remote = doors.remote()?;
        writers.spawn(async move {
            for tag in ["2", "3", "4"] {
                set_tag(&remote, file, tag).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written??;
    }
    for file in [VALUES, "apps/bank/values.yaml"] {
        let content = doors.git.show("env", "main", file)?;
        assert_eq!(content, b"image:\n  tag: 4\n");
    }
    assert_eq!(doors.git.count_commits("env", "main")?, 7);
    doors.git.fsck("env")
}

#[tokio::test]
async fn cancelled_read_leaves_the_remote_usable() -> Result<()> {
    let doors = Doors::open().await?;
    let remote = doors.remote()?;
    for milliseconds in [1, 5, 20, 60, 120] {
        let nothing = Paths::default();
        let read = remote.read(None, &nothing);
        tokio::time::timeout(Duration::from_millis(milliseconds), read)
            .await
            .ok();
    }
    set_tag(&remote, VALUES, "2").await?;
    assert_eq!(doors.git.count_commits("env", "main")?, 2);
    doors.git.fsck("env")
}

#[tokio::test]
async fn servers_that_are_none_are_told() -> Result<()> {
    install_provider();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let key = UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "")?;
    let known_hosts = format!("* {}", key.public.trim());
    let remote = || -> Result<Remote> {
        let identity = Identity::parse(&key.private, None, &known_hosts)?;
        let mut options = RemoteOptions {
            credential: Some(Credential::identity(identity)),
            ..RemoteOptions::default()
        };
        options.timeouts.connect = Duration::from_millis(300);
        let url = format!("ssh://git@{address}/env").parse()?;
        Ok(Remote::new(url, &options)?)
    };
    // The system accepts for a listener that does not.
    let error = remote()?
        .read(None, &Paths::default())
        .await
        .expect_err("nobody speaks");
    let is_timeout = |it: &_| matches!(it, TransportError::Timeout);
    assert!(is_transport(&error, is_timeout), "{error:?}");
    drop(listener);
    let error = remote()?
        .read(None, &Paths::default())
        .await
        .expect_err("nobody listens");
    let is_connect = |it: &_| matches!(it, TransportError::Ssh(SshError::Connect(_)));
    assert!(is_transport(&error, is_connect), "{error:?}");
    Ok(())
}

#[tokio::test]
async fn keys_that_cannot_be_opened_are_told() -> Result<()> {
    use KeyFormat::{Openssh, Pem, Pkcs8};
    let known_hosts = {
        let key = UserKey::generate(KeyType::Ed25519, Openssh, "")?;
        format!("git.example {}", key.public.trim())
    };
    let (none, wrong) = (IdentityError::NoPassphrase, IdentityError::WrongPassphrase);
    for (key_type, format, without, with_wrong) in [
        (KeyType::Ed25519, Openssh, none, wrong),
        (KeyType::Rsa, Pem, none, wrong),
        (KeyType::Ecdsa, Pkcs8, none, wrong),
        (
            KeyType::Ecdsa,
            Pem,
            IdentityError::Malformed,
            IdentityError::Malformed,
        ),
    ] {
        let key = UserKey::generate(key_type, format, PASSPHRASE)?.private;
        for (passphrase, expected) in [(None, without), (Some("wrong"), with_wrong)] {
            let parsed = Identity::parse(&key, passphrase, &known_hosts);
            let error = parsed.expect_err("the key stays closed");
            assert_eq!(error, expected, "{key_type:?} {format:?} {passphrase:?}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_does_not_fit_the_address_is_told_before_anything_is_sent() -> Result<()> {
    install_provider();
    let key = UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "")?;
    let hosts = format!("git.example {}", key.public.trim());
    let identity = || Identity::parse(&key.private, None, &hosts).map(Credential::identity);
    let proxy = Proxy::new("http://proxy.example:3128", None);
    for (url, credential, proxy, expected) in [
        (
            "ssh://git@git.example/env",
            Some(Credential::basic("me", "secret")),
            None,
            "a remote over SSH needs a private key and known_hosts",
        ),
        (
            "git@git.example:env",
            None,
            None,
            "a remote over SSH needs a private key and known_hosts",
        ),
        (
            "git@git.example:env",
            Some(identity()?),
            Some(proxy),
            "a remote over SSH is not reached through a proxy",
        ),
        (
            "https://git.example/env",
            Some(identity()?),
            None,
            "it is an SSH key, and the remote's address is not one of SSH",
        ),
    ] {
        let options = RemoteOptions {
            credential,
            proxy,
            ..RemoteOptions::default()
        };
        let error = Remote::new(url.parse()?, &options).expect_err("they do not fit");
        let text = describe(&error);
        assert!(text.contains(expected), "{url}: {text}");
    }
    Ok(())
}
