//! Who is spoken to, who is trusted, and what is said when it does not work.

use std::time::Duration;

use anyhow::Result;
use image_update_operator::git::{
    error::{Error, TransportError, UpdateError},
    options::{Credential, RemoteOptions},
    remote::Remote,
    update::Paths,
};
use image_update_testkit::git_server::{Fault, GitServer};

use super::{
    FILES, PASSWORD, USER, VALUES, branch, check_error, check_read, install_provider, is_transport,
    remote, remote_with, set_tag,
};

#[tokio::test]
async fn refusals_of_the_server_are_told_apart() -> Result<()> {
    let server = GitServer::builder()
        .tls()
        .basic_auth(USER, PASSWORD)
        .start()
        .await?;
    server.create_repository("env", FILES)?;
    server.create_repository("empty", &[])?;
    let wrong = Credential::basic(USER, "wrong-horse");
    let talk = "could not talk to <remote>: ";

    let remote_of = |change: fn(&mut RemoteOptions)| remote_with(&server, "env", change);
    let anonymous = remote_of(|options| options.credential = None)?;
    let text = "the server asks for a credential and none is configured (401)";
    check_read(&server, "env", &anonymous, &format!("{talk}{text}")).await;

    let stranger = remote_with(&server, "env", |options| options.credential = Some(wrong))?;
    let text = "the server did not accept the credential (401)";
    check_read(&server, "env", &stranger, &format!("{talk}{text}")).await;

    let distrustful = remote_of(|options| options.ca_pem = None)?;
    let text = "no secure connection could be made: invalid peer certificate: UnknownIssuer";
    check_read(&server, "env", &distrustful, &format!("{talk}{text}")).await;

    let careless = remote_of(|options| {
        options.ca_pem = None;
        options.insecure = true;
    })?;
    careless.read(None, &Paths::default()).await?;

    let missing = remote(&server, "missing")?;
    let text = "the repository does not exist, or the credential may not see it (404)";
    check_read(&server, "missing", &missing, &format!("{talk}{text}")).await;

    let empty = remote(&server, "empty")?;
    check_read(&server, "empty", &empty, "<remote> has no commits").await;

    let present = remote(&server, "env")?;
    let error = present
        .read(Some(&branch("mian")), &Paths::default())
        .await
        .expect_err("no such branch");
    let text = "<remote> has no branch mian\nhint: its default branch is main";
    check_error(&server, "env", &error, text);
    server.detach("env", "main")?;
    let text = "<remote> has no default branch\nhint: name the branch";
    check_read(&server, "env", &present, text).await;
    Ok(())
}

#[tokio::test]
async fn statuses_are_told_apart() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    let answer = |status, name: &'static str, value: &str| Fault::Answer {
        status,
        headers: vec![(name, value.to_owned())],
        body: "<html>".into(),
    };
    for (fault, text) in [
        (
            Fault::status(403),
            "the credential has no permission for this (403)",
        ),
        (Fault::status(500), "the server failed (500)"),
        (
            Fault::status(418),
            "the server answered with an unexpected status (418)",
        ),
        (
            answer(429, "retry-after", "30"),
            "the server asks to slow down",
        ),
        (
            answer(403, "retry-after", "30"),
            "the server asks to slow down",
        ),
        (
            answer(200, "content-type", "text/html; charset=utf-8"),
            "the answer is not git's but \"text/html; charset=utf-8\": a login page, or a server \
             without smart HTTP",
        ),
        (
            Fault::DropBefore,
            "the connection was lost before the answer was complete",
        ),
    ] {
        for on in ["/info/refs", "/git-upload-pack"] {
            server.inject(on, fault.clone());
            let error = remote
                .read(None, &Paths::default())
                .await
                .expect_err("the fault");
            check_error(
                &server,
                "env",
                &error,
                &format!("could not talk to <remote>: {text}"),
            );
            if let Error::Transport {
                source: TransportError::RateLimited { retry_after },
                ..
            } = error
            {
                assert_eq!(retry_after, Some(Duration::from_secs(30)));
            }
        }
    }
    // May read, may not write.
    server.inject("/git-receive-pack", Fault::status(403));
    let error = set_tag(&remote, VALUES, "2").await.expect_err("the fault");
    let text = "could not talk to <remote>: the credential has no permission for this (403)";
    check_error(&server, "env", &error, text);
    assert_eq!(server.count_commits("env", "main")?, 1);
    Ok(())
}

#[tokio::test]
async fn empty_and_silent_servers_are_told() -> Result<()> {
    let old = GitServer::builder().protocol_v0().start().await?;
    old.create_repository("empty", &[])?;
    old.create_repository("env", FILES)?;
    let text = "<remote> has no commits";
    check_read(&old, "empty", &remote(&old, "empty")?, text).await;
    let error = remote(&old, "env")?
        .read(Some(&branch("mian")), &Paths::default())
        .await
        .expect_err("no such branch");
    let text = "<remote> has no branch mian\nhint: its default branch is main";
    check_error(&old, "env", &error, text);

    let slow = GitServer::builder().start().await?;
    slow.create_repository("env", FILES)?;
    slow.inject("/info/refs", Fault::Delay(Duration::from_mins(1)));
    let impatient = remote_with(&slow, "env", |it| {
        it.timeouts.total = Duration::from_millis(200);
    })?;
    let text = "could not talk to <remote>: the server did not answer in time";
    check_read(&slow, "env", &impatient, text).await;
    Ok(())
}

#[tokio::test]
async fn unreachable_hosts_are_told() -> Result<()> {
    install_provider();
    let options = RemoteOptions {
        insecure: true,
        ..RemoteOptions::default()
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let closed = format!("http://{}/env", listener.local_addr()?);
    drop(listener);
    let remote = Remote::new(closed.parse()?, &options)?;
    let error = remote
        .read(None, &Paths::default())
        .await
        .expect_err("nobody listens");
    assert!(
        is_transport(&error, |it| matches!(it, TransportError::Connect(_))),
        "{error:?}"
    );

    let remote = Remote::new("https://nowhere.invalid/env".parse()?, &options)?;
    let error = remote
        .read(None, &Paths::default())
        .await
        .expect_err("no such host");
    assert!(
        is_transport(&error, |it| matches!(it, TransportError::Resolve(_))),
        "{error:?}"
    );

    let cautious = RemoteOptions::default();
    let error = Remote::new(closed.parse()?, &cautious).expect_err("plain http is refused");
    assert!(
        is_transport(&error, |it| matches!(it, TransportError::PlainHttp)),
        "{error:?}"
    );
    let nonsense = RemoteOptions {
        ca_pem: Some(b"-----BEGIN CERTIFICATE-----\nx".to_vec()),
        ..options
    };
    let error = Remote::new(closed.parse()?, &nonsense).expect_err("this is not PEM");
    assert!(
        is_transport(&error, |it| matches!(it, TransportError::CaCertificates(_))),
        "{error:?}"
    );
    Ok(())
}

#[tokio::test]
async fn redirect_to_another_host_never_gets_the_credential() -> Result<()> {
    let server = GitServer::builder()
        .basic_auth(USER, PASSWORD)
        .start()
        .await?;
    let thief = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    thief.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    for (on, status) in [
        ("/info/refs", 301),
        ("/git-upload-pack", 307),
        ("/git-receive-pack", 308),
    ] {
        let target = format!("{}/info/refs?service=git-upload-pack", thief.url("env"));
        let headers = vec![("location", target)];
        server.inject(
            on,
            Fault::Answer {
                status,
                headers,
                body: "".into(),
            },
        );
        let error = set_tag(&remote, VALUES, "2")
            .await
            .expect_err("not followed");
        let UpdateError::Git(error) = error else {
            anyhow::bail!("nothing was to be built: {error:?}");
        };
        assert!(
            is_transport(&error, |it| matches!(it, TransportError::Redirected { .. })),
            "{on}: {error:?}"
        );
    }
    assert_eq!((thief.requests(), thief.authorized_requests()), (0, 0));
    Ok(())
}

#[tokio::test]
async fn renamed_repository_is_followed_on_the_same_host() -> Result<()> {
    let server = GitServer::builder()
        .basic_auth(USER, PASSWORD)
        .start()
        .await?;
    server.create_repository("new", FILES)?;
    let remote = remote(&server, "old")?;
    let headers = vec![(
        "location",
        "/new.git/info/refs?service=git-upload-pack".to_owned(),
    )];
    server.inject(
        "/old.git",
        Fault::Answer {
            status: 301,
            headers,
            body: "".into(),
        },
    );

    set_tag(&remote, VALUES, "2").await?;

    assert_eq!(server.show("new", "main", VALUES)?, b"image:\n  tag: 2\n");
    server.fsck("new")
}
