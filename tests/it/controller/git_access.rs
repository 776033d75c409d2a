//! Each way into a remote, from the keys of a Secret to a commit.

use image_update_testkit::git_server::GitServer;
use image_update_testkit::github_app::{APP_ID, GithubApp, INSTALLATION_ID, Token};
use image_update_testkit::registry::Registry;
use image_update_testkit::ssh_server::{KeyFormat, KeyType, SshServer, UserKey};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::events::v1::Event;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::applications;
use super::main_job::semver;
use crate::world::{GIT_PASSWORD, GIT_USER, World, kustomization};

const FILE: &str = "overlays/prod/kustomization.yaml";
const PASSPHRASE: &str = "passphrase-never-shown";
const TOKEN: &str = "token-never-shown";

/// A world with an image at 1.0.0, watched, and a repository at 0.9.0 on each server.
async fn world(servers: &[&GitServer]) -> (World, Registry) {
    let world = World::start().await;
    let registry = Registry::start().await.expect("the registry starts");
    let pushed = registry.push("team/app", "1.0.0").await;
    pushed.expect("the image is pushed");
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, "0.9.0");
    for server in [&[&world.git], servers].concat() {
        let made = server.create_repository("env", &[(FILE, file.as_bytes())]);
        made.expect("the repository is made");
    }
    world.watch("app", json!({"image": image})).await;
    (world, registry)
}

fn access(repository: &str, insecure: bool) -> Value {
    json!({"writeBack": {"git": {
        "repository": repository,
        "insecure": insecure,
        "credentials": {"secretRef": {"name": "access"}},
    }}})
}

/// Waits for the commit on another server than the world's own.
async fn says(world: &World, server: &GitServer, expected: &str) {
    let probe = async || {
        let file = server.show("env", "main", FILE);
        let text = String::from_utf8(file.expect("the file is in git")).expect("it is text");
        let message = world.policy_ready("app").await.2;
        let found = text.contains(expected);
        found
            .then_some(())
            .ok_or_else(|| format!("{text}\n{message}"))
    };
    world.until(&"the file in git", probe).await;
    server.fsck("env").expect("the repository is sound");
}

/// No status, event or log holds one of the secrets.
async fn shows_none_of(world: &World, secrets: &[&str]) {
    let events = world.api::<Event>().list(&ListParams::default()).await;
    let events = events.expect("events are there");
    let status = world.policy_status("app").await;
    let shown = format!("{events:?}{status:?}{}", world.logs());
    for secret in secrets {
        assert!(!shown.contains(secret), "a secret is shown");
    }
}

/// The only line of a key that is nobody else's.
fn heart(key: &UserKey) -> &str {
    key.private.lines().nth(3).expect("a key has several lines")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_tag_becomes_a_commit_over_ssh() {
    let (mut world, registry) = world(&[]).await;
    let ssh = SshServer::builder()
        .start(&world.git)
        .await
        .expect("sshd starts");
    let key = UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, PASSPHRASE);
    let key = key.expect("a key is made");
    ssh.authorize(&key, "").expect("the key is let in");
    let known_hosts = ssh.known_hosts(KeyType::Ecdsa).expect("a line");
    let secret = [
        ("identity", key.private.as_str()),
        ("password", PASSPHRASE),
        ("known_hosts", &known_hosts),
    ];
    world.secret("access", None, &secret).await;
    world
        .policy("app", semver("app", "*"), access(&ssh.url("env"), false))
        .await;
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;

    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    world.kustomization_says("newTag: 1.1.0").await;
    assert_eq!(world.commits().len(), 2);
    world.git.fsck("env").expect("the repository is sound");
    world.policy_becomes("app", "Succeeded").await;
    assert_eq!(world.git.requests(), 0, "nothing went over HTTPS");
    shows_none_of(&world, &[PASSPHRASE, heart(&key)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_key_that_is_not_known_stops_all_until_the_secret_is_right() {
    let (mut world, _registry) = world(&[]).await;
    let ssh = SshServer::builder()
        .start(&world.git)
        .await
        .expect("sshd starts");
    let key = UserKey::generate(KeyType::Ed25519, KeyFormat::Openssh, "");
    let key = key.expect("a key is made");
    ssh.authorize(&key, "").expect("the key is let in");
    let url = ssh.url("env");
    let wrong = format!("{} {}", ssh.host_name(), key.public);
    let right = ssh.known_hosts(KeyType::Ed25519).expect("a line");
    // As Argo CD names the key, with a file that has another host key.
    let secret = [
        ("sshPrivateKey", key.private.as_str()),
        ("known_hosts", &wrong),
    ];
    world.secret("access", None, &secret).await;
    world
        .policy("app", semver("app", "*"), access(&url, false))
        .await;
    world.start_operator();
    let message = world.policy_becomes("app", "GitHostKeyInvalid").await;
    assert!(
        message.contains("not the one in known_hosts") && message.contains("SHA256:"),
        "{message}"
    );
    assert_eq!(ssh.logins().expect("a log"), 0);

    let secret = [("identity", key.private.as_str()), ("known_hosts", &right)];
    world.secret("access", None, &secret).await;
    world.request("ImageUpdatePolicy", "app").await;
    world.kustomization_says("newTag: 1.0.0").await;
    shows_none_of(&world, &[heart(&key)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bearer_token_and_a_client_certificate_make_a_commit() {
    let server = GitServer::builder()
        .client_certificates()
        .bearer_auth(TOKEN)
        .start()
        .await
        .expect("the git server starts");
    let (mut world, _registry) = world(&[&server]).await;
    let client = server.client().expect("the server has TLS");
    let secret = [
        ("bearerToken", TOKEN),
        ("ca.crt", server.ca_pem().expect("the server has TLS")),
        ("tls.crt", &client.certificate),
        ("tls.key", &client.key),
    ];
    world.secret("access", None, &secret).await;
    world
        .policy("app", semver("app", "*"), access(&server.url("env"), false))
        .await;
    world.start_operator();
    says(&world, &server, "newTag: 1.0.0").await;
    shows_none_of(&world, &[TOKEN]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_github_app_makes_a_commit() {
    let token = Token {
        text: TOKEN.to_owned(),
        holds: SignedDuration::from_hours(1),
    };
    let service = GithubApp::start(vec![token], now).await;
    let service = service.expect("the service starts");
    let server = GitServer::builder()
        .basic_auth("x-access-token", TOKEN)
        .start()
        .await
        .expect("the git server starts");
    let (mut world, registry) = world(&[&server]).await;
    let secret = [
        ("githubAppID", APP_ID),
        ("githubAppInstallationID", INSTALLATION_ID),
        ("githubAppPrivateKey", service.private_key()),
        ("githubAppBaseURL", &service.url()),
    ];
    world.secret("access", None, &secret).await;
    world
        .policy("app", semver("app", "*"), access(&server.url("env"), true))
        .await;
    world.start_operator();
    says(&world, &server, "newTag: 1.0.0").await;
    let pushed = registry.push("team/app", "1.1.0").await;
    pushed.expect("the image is pushed");
    says(&world, &server, "newTag: 1.1.0").await;
    assert_eq!(service.answers(), [201], "the token is kept");
    let line = service.private_key().lines().nth(3);
    shows_none_of(&world, &[TOKEN, line.expect("a key has several lines")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_that_say_two_things_or_half_a_thing_are_refused_by_name() {
    let (mut world, _registry) = world(&[]).await;
    let url = world.git.url("env");
    let rows: [(&[(&str, &str)], &str); 4] = [
        (
            &[("username", "me"), ("password", "x"), ("bearerToken", "y")],
            "it has username and bearerToken, of which only one can be meant",
        ),
        (
            &[("githubAppID", "1"), ("githubAppInstallationID", "2")],
            "it has githubAppID and not githubAppPrivateKey",
        ),
        (
            &[("identity", "x")],
            "it has identity and not known_hosts or ssh_known_hosts",
        ),
        (
            &[("token", "x")],
            "it has none of the keys username, bearerToken, identity",
        ),
    ];
    for (number, (secret, words)) in rows.into_iter().enumerate() {
        world.secret("access", None, secret).await;
        world
            .policy("app", semver("app", "*"), access(&url, false))
            .await;
        if number == 0 {
            world.start_operator();
        }
        world.request("ImageUpdatePolicy", "app").await;
        let probe = async || {
            let (_, reason, message) = world.policy_ready("app").await;
            let is_told = reason == "InvalidSecret" && message.contains(words);
            is_told
                .then_some(())
                .ok_or_else(|| format!("{reason}: {message}"))
        };
        world.until(&words, probe).await;
    }
    assert_eq!(world.git.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_a_secret_names_have_to_be_allowed() {
    let (mut world, _registry) = world(&[]).await;
    let key = UserKey::generate(KeyType::Rsa, KeyFormat::Pem, "");
    let key = key.expect("a key is made").private;
    let url = world.git.url("env");
    world.flag("--allowed-hosts=127.0.0.1");
    let password = [
        ("username", "me"),
        ("password", "x"),
        ("proxy", "http://proxy.example:3128"),
    ];
    let app = [
        ("githubAppID", "1"),
        ("githubAppInstallationID", "2"),
        ("githubAppPrivateKey", key.as_str()),
        ("githubAppBaseURL", "https://api.example"),
    ];
    let rows: [(&[(&str, &str)], &str); 2] = [(&password, "proxy.example"), (&app, "api.example")];
    for (secret, host) in rows {
        world.secret("access", None, secret).await;
        world
            .policy("app", semver("app", "*"), access(&url, false))
            .await;
        world.start_operator();
        let probe = async || {
            let (_, reason, message) = world.policy_ready("app").await;
            let is_told = reason == "HostNotAllowed" && message.contains(host);
            is_told
                .then_some(())
                .ok_or_else(|| format!("{reason}: {message}"))
        };
        world.until(&host, probe).await;
        world.kill_operator();
    }
    assert_eq!(world.git.requests(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_can_not_lead_the_secret_of_a_policy_to_another_server() {
    let file = (
        "overlays/prod/kustomization.yaml",
        "images:\n- name: app\n  newTag: 1.0.0\n",
    );
    let files = [(file.0, file.1.as_bytes())];
    let (world, registry) = applications::world(&files).await;
    // It would take the credential, so that it is counted if it is shown.
    let evil = GitServer::builder()
        .tls()
        .basic_auth(GIT_USER, GIT_PASSWORD);
    let evil = evil.start().await.expect("the git server starts");
    evil.create_repository("env", &files)
        .expect("the repository is made");
    for (name, server) in [("shop", &world.git), ("evil", &evil)] {
        let source = json!({"source": {
            "repoURL": server.url("env"), "path": "overlays/prod", "targetRevision": "main",
        }});
        let status = json!({"sourceType": "Kustomize"});
        applications::application(&world, name, &source, &status).await;
    }
    let mut write_back = applications::git(&json!([{"kustomization": {"path": "."}}]));
    // So that its certificate keeps nobody from asking it.
    write_back["git"]["insecure"] = json!(true);
    applications::policy(&world, json!([{"name": "*"}]), write_back).await;
    let message = world.policy_becomes("app", "CredentialsDenied").await;
    assert!(
        message.contains("add key url to the Secret") && message.contains(&evil.url("env")),
        "{message}"
    );
    assert_eq!(world.git.requests() + evil.requests(), 0);

    let url = world.git.url("");
    let secret = [
        ("username", GIT_USER),
        ("password", GIT_PASSWORD),
        ("url", url.trim_end_matches("/.git")),
    ];
    world.secret("git", None, &secret).await;
    world.request("ImageUpdatePolicy", "app").await;
    let image = format!("{}/team/app", registry.host());
    let written = format!("images:\n- name: app\n  newTag: 1.1.0\n  newName: {image}\n");
    world.file_becomes(file.0, &written).await;
    let refused = async || {
        let status = world.policy_status("app").await;
        let shown = status.attention.iter();
        let shown = shown.map(|it| format!("{} {:?} {}", it.application, it.reason, it.message));
        let shown: Vec<String> = shown.collect();
        let is_so = shown.len() == 1
            && shown[0].contains("/evil CredentialsDenied")
            && shown[0].contains("not below the Secret's key url");
        is_so.then_some(()).ok_or_else(|| shown.join("\n"))
    };
    world
        .until(&"the Application that is refused", refused)
        .await;
    assert_eq!(evil.requests(), 0);
    let logs = world.logs();
    assert!(!logs.contains(GIT_PASSWORD), "a secret is shown");
}

#[expect(
    clippy::disallowed_methods,
    reason = "the operator under test has the system's clock"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
