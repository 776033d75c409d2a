//! `test` against real registries: what it asks, what it shows, and that it keeps passwords.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use image_update_testkit::faulty_registry::{ALWAYS, Auth, Fault, FaultyRegistry, TokenServer};
use image_update_testkit::registry::{PushOptions, Registry};
use image_update_testkit::tls::Authority;
use serde_json::json;
use tempfile::TempDir;

use super::{Ran, run_with};

const USER: &str = "robot";
const PASSWORD: &str = "never:shown";
const PATH: &str = "org/app";

/// A registry with five tags, and the digest of `latest`.
async fn with_tags(registry: Registry) -> (Registry, String) {
    let mut digest = String::new();
    for tag in ["1.0.0", "1.2.0", "2.0.0-rc1", "main", "latest"] {
        let pushed = registry.push(PATH, tag).await;
        digest = pushed.expect("the registry takes an image");
    }
    (registry, digest)
}

async fn open() -> (Registry, String) {
    with_tags(Registry::start().await.expect("the registry starts")).await
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a folder can be made")
}

/// `test` of this image, with `home` as the user's.
fn test(home: &Path, image: &str, flags: &[&str], variables: &[(&str, &str)]) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
    let arguments = [&["test", image], flags].concat();
    let ran = run_with(program, home, &arguments, b"", variables);
    let secret = [PASSWORD, "never", &base64(PASSWORD)];
    let all = format!("{}{}", ran.text(), ran.stderr);
    assert!(!secret.iter().any(|secret| all.contains(secret)), "{ran:?}");
    ran
}

fn base64(text: &str) -> String {
    base64::prelude::BASE64_STANDARD.encode(text)
}

#[track_caller]
fn check_failed(ran: &Ran, error: &str, hint: &str) {
    assert_eq!((ran.code, ran.text()), (Some(1), ""), "{ran:?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{ran:?}");
    assert!(
        lines[0].starts_with("error: ") && lines[0].contains(error),
        "{ran:?}"
    );
    assert!(
        lines[1].starts_with("hint: ") && lines[1].contains(hint),
        "{ran:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_filters_selects_and_shows() {
    let (registry, _) = open().await;
    let image = format!("{}/{PATH}", registry.host());
    let ran = test(
        home().path(),
        &image,
        &[
            "--semver-constraint",
            ">=1.0.0",
            "--ignore-tags=main",
            "--insecure",
        ],
        &[],
    );
    assert_eq!(
        ran.done(),
        format!(
            "image     {image}\ntags      5\nselected  1.2.0\n\
             reason    1.2.0 is the best tag, and there is no current one\n\n\
             TAG        RULE         WHY\n\
             1.0.0      Outranked    a better tag was found\n\
             2.0.0-rc1  Prerelease   it is a pre-release and the constraint asks for releases only\n\
             latest     NotAVersion  it is not a version\n\
             main       Ignored      it matches a pattern of ignored tags\n"
        )
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_may_stand_behind_the_image() {
    let (registry, _) = open().await;
    let image = format!("{}/{PATH}:>1-0", registry.host());
    let ran = test(
        home().path(),
        &image,
        &["--insecure", "-o", "json", "--current", "1.2.0"],
        &[],
    );
    ran.done();
    assert_eq!(
        ran.json(),
        json!({
            "image": format!("{}/{PATH}", registry.host()),
            "tags": 5,
            "selected": "2.0.0-rc1",
            "reason": "2.0.0-rc1 ranks above the current \"1.2.0\"",
            "rejected": [
                { "tag": "1.0.0", "rule": "OutOfRange" },
                { "tag": "1.2.0", "rule": "OutOfRange" },
                { "tag": "latest", "rule": "NotAVersion" },
                { "tag": "main", "rule": "NotAVersion" },
            ],
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn digest_shows_what_its_tag_names() {
    let (registry, digest) = open().await;
    let image = format!("{}/{PATH}:latest", registry.host());
    let flags = ["--insecure", "--update-strategy=digest"];
    let ran = test(home().path(), &image, &flags, &[]);
    let expected = format!(
        "image     {}/{PATH}\ndigest    {digest}\nselected  latest\n\
         reason    latest is the tag to follow\n",
        registry.host()
    );
    assert_eq!(ran.done(), expected);
    let image = format!("{}/{PATH}:gone", registry.host());
    let ran = test(home().path(), &image, &flags, &[]);
    assert_eq!((ran.code, ran.text()), (Some(1), ""));
    assert!(ran.stderr.contains("no tag gone"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn costs_one_request_for_each_thousand_tags_and_one_for_a_digest() {
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.set_tags(PATH, (0..2500).map(|number| format!("v{number}")));
    let image = format!("{}/{PATH}", registry.host());
    for (flags, requests) in [
        (["--strategy=semver", "--insecure"], 3),
        (["--strategy=numerical", "--insecure"], 3),
    ] {
        test(home().path(), &image, &flags, &[]).done();
        // One more finds out that the registry speaks plain HTTP, and is no request to it.
        assert_eq!(registry.request_count(), requests, "{flags:?}");
        registry.forget_requests();
    }
    let flags = ["--strategy=digest", "--constraint=v7", "--insecure"];
    test(home().path(), &image, &flags, &[]).done();
    assert_eq!(registry.request_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_come_from_a_variable_or_a_docker_configuration() {
    let registry = Registry::builder().htpasswd(USER, PASSWORD).start().await;
    let (registry, _) = with_tags(registry.expect("the registry starts")).await;
    let image = format!("{}/{PATH}", registry.host());
    let pair = format!("{USER}:{PASSWORD}");
    let config = json!({ "auths": { registry.host(): { "auth": base64(&pair) } } }).to_string();

    let home = home();
    let login = [("LOGIN", pair.as_str())];
    test(
        home.path(),
        &image,
        &["--insecure", "--credentials=env:LOGIN"],
        &login,
    )
    .done();

    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("the folder can be written");
    fs::write(elsewhere.join("config.json"), &config).expect("the folder can be written");
    let flag = "--docker-config=elsewhere/config.json";
    test(home.path(), &image, &["--insecure", flag], &[]).done();
    let folder = elsewhere.display().to_string();
    test(
        home.path(),
        &image,
        &["--insecure"],
        &[("DOCKER_CONFIG", &folder)],
    )
    .done();

    let ran = test(home.path(), &image, &["--insecure"], &[]);
    check_failed(
        &ran,
        "the registry asks for a credential",
        "it was asked as anybody",
    );
    fs::create_dir(home.path().join(".docker")).expect("the folder can be written");
    let usual = home.path().join(".docker/config.json");
    fs::write(&usual, &config).expect("the folder can be written");
    test(home.path(), &image, &["--insecure"], &[]).done();

    let wrong = [("LOGIN", "robot:never")];
    let ran = test(
        home.path(),
        &image,
        &["--insecure", "--credentials=env:LOGIN"],
        &wrong,
    );
    check_failed(&ran, &image, "whether the credential may read it");
    fs::write(&usual, format!("{config}}}")).expect("the folder can be written");
    let ran = test(home.path(), &image, &["--insecure"], &[]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert!(ran.stderr.contains("config.json"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_credentials_that_gives_none_is_never_repeated() {
    let check = |source: &str, variables: &[(&str, &str)], error: &str| {
        let flag = format!("--credentials={source}");
        let ran = test(home().path(), "localhost:1/x", &[&flag], variables);
        assert_eq!((ran.code, ran.text()), (Some(2), ""), "{ran:?}");
        assert!(
            ran.stderr.contains(error) && ran.stderr.contains("\nhint: "),
            "{ran:?}"
        );
    };
    check(PASSWORD, &[], "a form that is not known");
    check("robot:never:shown", &[], "a form that is not known");
    check("env:LOGIN", &[], "that is not set");
    check(
        "env:LOGIN",
        &[("LOGIN", "never-shown")],
        "not user:password",
    );
    check("env:LOGIN", &[("LOGIN", ":never")], "not user:password");
    check("secret:a/b#c", &[], "no cluster is asked");
    check("pullsecret:a/b", &[], "no cluster is asked");
    check("ext:/bin/login", &[], "none is run");
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_trusted_where_its_authority_is_given() {
    let authority = Authority::new().expect("an authority can be made");
    let registry = Registry::builder().tls(&authority).start().await;
    let (registry, _) = with_tags(registry.expect("the registry starts")).await;
    let image = format!("{}/{PATH}", registry.host());
    let home = home();
    fs::write(home.path().join("ca.pem"), authority.pem()).expect("the folder can be written");
    test(home.path(), &image, &["--ca-file=ca.pem"], &[]).done();
    let ran = test(home.path(), &image, &[], &[]);
    check_failed(&ran, "could not agree on TLS", "--ca-file FILE");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_registry_does_wrong_is_a_failure() {
    let (registry, _) = open().await;
    let image = format!("{}/{PATH}", registry.host());
    let ran = test(home().path(), &image, &[], &[]);
    check_failed(&ran, "does not speak TLS", "--insecure");
    let ran = test(
        home().path(),
        &format!("{}/org/none", registry.host()),
        &["--insecure"],
        &[],
    );
    check_failed(&ran, "no such repository", "--credentials env:NAME");

    let faulty = FaultyRegistry::start().await.expect("the registry starts");
    faulty.set_tags(PATH, ["1.0.0".to_owned()]);
    faulty.fault(Fault::status(500), ALWAYS);
    let image = format!("{}/{PATH}", faulty.host());
    let ran = test(home().path(), &image, &["--insecure", "--timeout=5s"], &[]);
    check_failed(
        &ran,
        "the registry failed with HTTP status 500",
        "try again later",
    );
    faulty.clear_faults();
    let flags = ["--insecure", "--strategy=digest", "--constraint=2"];
    let ran = test(home().path(), &image, &flags, &[]);
    check_failed(&ran, "no tag 2", "name one that is there");
    let ran = test(home().path(), "127.0.0.1:1/x", &["--insecure"], &[]);
    check_failed(
        &ran,
        "could not connect to 127.0.0.1:1",
        "check the registry's name",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn images_are_looked_at_for_their_time_and_platforms() {
    let registry = Registry::start().await.expect("the registry starts");
    let images = [
        ("build-b", "2024-01-01T00:00:00Z", "linux/amd64"),
        ("build-a", "2024-02-01T00:00:00Z", "linux/amd64"),
        ("build-arm", "2024-03-01T00:00:00Z", "linux/arm64"),
        ("build-new", "2099-01-01T00:00:00Z", "linux/amd64"),
    ];
    for (tag, created, platform) in images {
        let options = PushOptions {
            created: Some(created.parse().expect("the row's time is one")),
            platforms: vec![platform.to_owned()],
            ..PushOptions::default()
        };
        let pushed = registry.push_image(PATH, tag, &options).await;
        pushed.expect("the registry takes an image");
    }
    let image = format!("{}/{PATH}", registry.host());
    let missing = r#"{"rule":"PlatformMissing","tag":"build-arm"}"#;
    let young = r#"{"rule":"TooYoung","tag":"build-new"}"#;
    for (strategy, selected, rejected) in [
        ("newest-build", "build-a", vec![missing, young]),
        ("alphabetical", "build-b", vec![young]),
    ] {
        let flags = [
            "--insecure",
            "-ojson",
            "--strategy",
            strategy,
            "--platforms=linux/amd64",
            "--minimum-age=1h",
        ];
        let ran = test(home().path(), &image, &flags, &[]);
        ran.done();
        assert_eq!(ran.json()["selected"], selected, "{ran:?}");
        let said = ran.json()["rejected"].to_string();
        let missing = rejected.iter().find(|rejection| !said.contains(*rejection));
        assert_eq!(missing, None, "{said}");
    }
    let flags = ["--insecure", "--platforms=windows"];
    let ran = test(home().path(), &image, &flags, &[]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
}

/// A proxy gets the whole address in the first line of a request, which a server takes as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_proxy_of_the_environment_is_used() {
    let proxy = FaultyRegistry::start().await.expect("the registry starts");
    proxy.set_tags(PATH, ["1.0.0".to_owned()]);
    let folder = home();
    let conf = folder.path().join("registries.conf");
    let text = "registries:\n- name: far\n  prefix: registry.example\n  api_url: http://registry.example\n";
    fs::write(&conf, text).expect("the file can be written");
    let flag = format!("--registries-conf-path={}", conf.display());
    let address = format!("http://{}", proxy.host());
    let image = format!("registry.example/{PATH}");
    let flags = [flag.as_str(), "-ojson", "--timeout=5s"];
    let ran = test(folder.path(), &image, &flags, &[("HTTP_PROXY", &address)]);
    ran.done();
    assert_eq!(ran.json()["selected"], "1.0.0");
    let requests = proxy.requests();
    let hosts: Vec<&str> = requests.iter().map(|it| it.host.as_str()).collect();
    assert_eq!(hosts, ["registry.example"]);

    let variables = [
        ("HTTP_PROXY", address.as_str()),
        ("NO_PROXY", "registry.example"),
    ];
    let ran = test(folder.path(), &image, &flags, &variables);
    check_failed(&ran, "registry.example", "the way to it");
    assert_eq!(proxy.request_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_outside_can_not_name_a_token_server_inside() {
    let proxy = FaultyRegistry::start().await.expect("the registry starts");
    proxy.set_tags(PATH, ["1.0.0".to_owned()]);
    proxy.require(Auth::Bearer(TokenServer {
        realm: Some("http://10.11.12.13/token".to_owned()),
        ..TokenServer::new(USER, PASSWORD)
    }));
    let folder = home();
    let conf = folder.path().join("registries.conf");
    let text = "registries:\n- name: far\n  prefix: registry.invalid\n  api_url: http://registry.invalid\n";
    fs::write(&conf, text).expect("the file can be written");
    let flag = format!("--registries-conf-path={}", conf.display());
    let address = format!("http://{}", proxy.host());
    let image = format!("registry.invalid/{PATH}");
    let ran = test(
        folder.path(),
        &image,
        &[flag.as_str(), "--timeout=5s"],
        &[("HTTP_PROXY", &address)],
    );
    check_failed(&ran, "a token server in a private network", "");
    let asked = proxy.requests();
    assert!(
        asked
            .iter()
            .all(|request| request.host == "registry.invalid"),
        "{asked:?}"
    );
}
