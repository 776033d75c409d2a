//! What opens a door over HTTPS besides a password: tokens, certificates, proxies, GitHub Apps.

use std::sync::atomic::{AtomicI64, Ordering};

use anyhow::{Context as _, Result};
use image_update_operator::git::{
    error::{GithubAppError, TokenError, TransportError},
    options::{ClientCertificate, Credential, GithubApp, Proxy, RemoteOptions},
    remote::Remote,
    update::Paths,
};
use image_update_testkit::{
    git_server::GitServer,
    github_app::{self, Token},
    ssh_server::{KeyFormat, KeyType, UserKey},
};
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;

use super::{
    FILES, VALUES, check_read, describe, install_provider, is_transport, remote_with, request,
    set_tag,
};

const TOKENS: [&str; 3] = ["ghs_first", "ghs_second", "ghs_third"];
const HOUR: SignedDuration = SignedDuration::from_hours(1);

#[tokio::test]
async fn bearer_token_opens() -> Result<()> {
    let server = GitServer::builder()
        .tls()
        .bearer_auth("glpat-right")
        .start()
        .await?;
    server.create_repository("env", FILES)?;
    let with = |token: &str| {
        let credential = Credential::bearer(token);
        remote_with(&server, "env", |it| it.credential = Some(credential))
    };
    set_tag(&with("glpat-right")?, VALUES, "2").await?;
    assert_eq!(server.count_commits("env", "main")?, 2);
    let text = "could not talk to <remote>: the server did not accept the credential (401)";
    check_read(&server, "env", &with("wrong-horse")?, text).await;
    let error = with("two\nlines").expect_err("no header holds this");
    let text = format!("{error:#}");
    assert!(
        text.contains("cannot be sent, such as a line break"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn client_certificate_opens() -> Result<()> {
    let server = GitServer::builder().client_certificates().start().await?;
    server.create_repository("env", FILES)?;
    let right = server.client().context("the server has TLS")?;
    let other = GitServer::builder().client_certificates().start().await?;
    let wrong = other.client().context("the server has TLS")?;
    let with = |certificate: &str, key: &str| {
        let certificate = ClientCertificate::new(certificate.as_bytes(), key.as_bytes());
        remote_with(&server, "env", |it| {
            it.credential = None;
            it.client_certificate = Some(certificate);
        })
    };
    set_tag(&with(&right.certificate, &right.key)?, VALUES, "2").await?;
    assert_eq!(server.count_commits("env", "main")?, 2);

    let requests = server.requests();
    let none = remote_with(&server, "env", |it| it.credential = None)?;
    none.read(None, &Paths::default())
        .await
        .expect_err("no certificate");
    let stranger = with(&wrong.certificate, &wrong.key)?;
    stranger
        .read(None, &Paths::default())
        .await
        .expect_err("another's");
    assert_eq!(server.requests(), requests);

    let error = with(&right.certificate, "nonsense").expect_err("no key");
    let text = format!("{error:#}");
    assert!(
        text.contains("the client certificate could not be read"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn proxy_stands_between() -> Result<()> {
    install_provider();
    // A server that is asked for another host's address is a proxy.
    let proxy = GitServer::builder().start().await?;
    proxy.create_repository("env", FILES)?;
    let address = proxy.url("");
    let address = address.trim_end_matches("/.git");
    let through = |proxy: &str, no_proxy: Option<&str>| RemoteOptions {
        insecure: true,
        proxy: Some(Proxy::new(proxy, no_proxy.map(str::to_owned))),
        ..RemoteOptions::default()
    };
    let remote = Remote::new(
        "http://git.invalid/env.git".parse()?,
        &through(address, None),
    )?;
    set_tag(&remote, VALUES, "2").await?;
    assert_eq!(proxy.count_commits("env", "main")?, 2);

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let closed = format!("http://{}", listener.local_addr()?);
    drop(listener);
    let url: image_update_core::remote::RemoteUrl = proxy.url("env").parse()?;
    let remote = Remote::new(url.clone(), &through(&closed, None))?;
    let error = remote
        .read(None, &Paths::default())
        .await
        .expect_err("nobody listens");
    let is_connect = |it: &_| matches!(it, TransportError::Connect(_));
    assert!(is_transport(&error, is_connect), "{error:?}");
    let remote = Remote::new(url.clone(), &through(&closed, Some("127.0.0.1")))?;
    remote.read(None, &request(&[VALUES]).paths).await?;

    let error = Remote::new(url, &through("socks5://me:hunter2@proxy.example", None));
    let error = error.expect_err("no proxy of HTTP");
    assert!(is_transport(&error, |it| matches!(
        it,
        TransportError::Proxy
    )));
    assert!(!format!("{error:?}").contains("hunter2"));
    Ok(())
}

/// A clock that only the test below moves.
static SECONDS: AtomicI64 = AtomicI64::new(1_800_000_000);

fn moving() -> Timestamp {
    Timestamp::from_second(SECONDS.load(Ordering::SeqCst)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn fixed() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A service that gives out the tokens, each for an hour.
async fn service(clock: fn() -> Timestamp) -> Result<github_app::GithubApp> {
    let token = |text: &str| Token {
        text: text.to_owned(),
        holds: HOUR,
    };
    github_app::GithubApp::start(TOKENS.map(token).to_vec(), clock).await
}

fn app(
    service: &github_app::GithubApp,
    installation: &str,
    key: &str,
    clock: fn() -> Timestamp,
) -> Result<Credential> {
    let api = service.url();
    let app = GithubApp::new(github_app::APP_ID, installation, key, Some(&api), clock)?;
    Ok(Credential::github_app(app))
}

#[tokio::test]
async fn token_of_a_github_app_is_kept_until_shortly_before_it_expires() -> Result<()> {
    let service = service(moving).await?;
    let server = GitServer::builder()
        .basic_auth("x-access-token", TOKENS[0])
        .start()
        .await?;
    server.create_repository("env", FILES)?;
    let id = github_app::INSTALLATION_ID;
    let credential = app(&service, id, service.private_key(), moving)?;
    let remote = remote_with(&server, "env", |it| it.credential = Some(credential))?;

    remote.read(None, &request(&[VALUES]).paths).await?;
    set_tag(&remote, VALUES, "2").await?;
    SECONDS.fetch_add(54 * 60, Ordering::SeqCst);
    set_tag(&remote, VALUES, "3").await?;
    assert_eq!(service.answers(), [201]);

    SECONDS.fetch_add(2 * 60, Ordering::SeqCst);
    server.accept("x-access-token", TOKENS[1]);
    set_tag(&remote, VALUES, "4").await?;
    assert_eq!(service.answers(), [201, 201]);

    // Somebody revokes the token that is kept.
    server.accept("x-access-token", TOKENS[2]);
    set_tag(&remote, VALUES, "5").await?;
    assert_eq!(service.answers(), [201, 201, 201]);
    assert_eq!(server.count_commits("env", "main")?, 5);

    // The server takes none: asked once more, and not for ever.
    server.accept("x-access-token", "ghs_other");
    let text = "could not talk to <remote>: the server did not accept the credential (401)";
    check_read(&server, "env", &remote, text).await;
    assert_eq!(service.answers().len(), 4);
    let error = remote
        .read(None, &Paths::default())
        .await
        .expect_err("still none");
    let shown = format!("{error:?} {}", describe(&error));
    assert!(
        !shown.contains("ghs_") && !shown.contains("PRIVATE"),
        "{shown}"
    );
    assert_eq!(service.answers().len(), 5);
    Ok(())
}

#[tokio::test]
async fn github_apps_without_a_token_are_told_why() -> Result<()> {
    let service = service(fixed).await?;
    let server = GitServer::builder()
        .basic_auth("x-access-token", TOKENS[0])
        .start()
        .await?;
    server.create_repository("env", FILES)?;
    let other = UserKey::generate(KeyType::Rsa, KeyFormat::Pkcs8, "")?.private;
    let id = github_app::INSTALLATION_ID;
    let rows: [(_, _, fn(&_) -> _); 2] = [
        (id, other.as_str(), |it| {
            matches!(it, TokenError::Unauthorized)
        }),
        ("816", service.private_key(), |it| {
            matches!(it, TokenError::NoInstallation)
        }),
    ];
    for (installation, key, expected) in rows {
        let credential = app(&service, installation, key, fixed)?;
        let remote = remote_with(&server, "env", |it| it.credential = Some(credential))?;
        let error = remote
            .read(None, &Paths::default())
            .await
            .expect_err("no token");
        let is_told = |it: &_| matches!(it, TransportError::Token(it) if expected(it));
        assert!(is_transport(&error, is_told), "{error:?}");
    }
    assert_eq!(service.answers(), [401, 404]);
    assert_eq!(server.requests(), 0);

    let unreachable = github_app::GithubApp::start(Vec::new(), fixed).await?;
    let credential = app(&unreachable, id, unreachable.private_key(), fixed)?;
    let remote = remote_with(&server, "env", |it| it.credential = Some(credential))?;
    let text = "could not talk to <remote>: the GitHub App got no access token: \
                GitHub's API could not be asked: the server failed (503)";
    check_read(&server, "env", &remote, text).await;

    for api in ["http://169.254.169.254/api/v3", "https://[fe80::1]/"] {
        let made = GithubApp::new("1", "2", service.private_key(), Some(api), fixed);
        assert_eq!(made.err(), Some(GithubAppError::LinkLocal), "{api}");
    }
    for api in ["ftp://git.example", "https://me@git.example", "git.example"] {
        let made = GithubApp::new("1", "2", service.private_key(), Some(api), fixed);
        assert_eq!(made.err(), Some(GithubAppError::Api), "{api}");
    }

    // In the clear, only if that is said aloud; and not for hosts whose API is not known.
    let credential = app(&service, id, service.private_key(), fixed)?;
    let url = "https://git.example/env";
    let options = RemoteOptions {
        credential: Some(credential),
        ..RemoteOptions::default()
    };
    let error = Remote::new(url.parse()?, &options).expect_err("plain http");
    assert!(is_transport(&error, |it| matches!(
        it,
        TransportError::PlainHttp
    )));
    let app = GithubApp::new("1", "2", service.private_key(), None, fixed)?;
    let options = RemoteOptions {
        credential: Some(Credential::github_app(app)),
        ..options
    };
    let error = Remote::new(url.parse()?, &options).expect_err("whose API?");
    let text = describe(&error);
    assert!(text.contains("set githubAppBaseURL"), "{text}");
    Ok(())
}
