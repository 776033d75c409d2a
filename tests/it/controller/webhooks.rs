//! Registries tell of pushes: what follows at once from a body whose sender knows the secret, and
//! what does not follow from any other.

use std::time::Duration;

use image_update_operator::api::v1alpha1::ImageWatch;
use image_update_testkit::process::{Child, free_port};
use image_update_testkit::recorder::Recorder;
use image_update_testkit::registry::{PushOptions, Registry};
use reqwest::{Client, Method, RequestBuilder};
use ring::hmac;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::main_job::semver;
use super::metrics::Pages;
use crate::world::{World, kustomization};

const SECRET: &str = "webhook-pa55word-never-shown";

/// Long enough that no scan of a test is one of the interval.
const INTERVAL: &str = "1h";

/// Longer than an operator waits for more pushes of the same.
const QUIET: Duration = Duration::from_secs(7);

/// The receiver of the operator that `world` starts next.
struct Hooks {
    address: String,
    client: Client,
    _secrets: TempDir,
}

impl Hooks {
    /// Of all operators of the world that are started from now on, of which there may be one.
    fn of(world: &mut World) -> Self {
        let (hooks, flags) = Self::with_flags();
        for flag in flags {
            world.flag(&flag);
        }
        hooks
    }

    /// Of the operator that is started with these flags; with a secret for `generic`, `ghcr.io` and
    /// `quay.io`.
    fn with_flags() -> (Self, [String; 2]) {
        let port = free_port().expect("there is a free port");
        let address = format!("127.0.0.1:{port}");
        let secrets = tempfile::tempdir().expect("a folder can be made");
        for name in ["generic", "ghcr.io", "webhook.quay-secret"] {
            let written = std::fs::write(secrets.path().join(name), format!("{SECRET}\n"));
            written.expect("a file can be written");
        }
        let folder = secrets.path().display();
        let flags = [
            format!("--webhook-address={address}"),
            format!("--webhook-secret-dir={folder}"),
        ];
        let hooks = Self {
            address,
            client: Client::new(),
            _secrets: secrets,
        };
        (hooks, flags)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.client.request(method, url)
    }

    /// What the receiver says to a body that is signed as GitHub signs.
    async fn signed(&self, path: &str, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let request = self.request(Method::POST, path);
        let request = request.header("x-hub-signature-256", signature(SECRET, &body));
        answer(request.header("x-github-event", "package").body(body)).await
    }
}

fn signature(secret: &str, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256={}", digits.collect::<String>())
}

async fn answer(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.expect("the receiver answers");
    let status = answer.status().as_u16();
    (status, answer.text().await.expect("the answer is text"))
}

/// As [`idle`], with hooks, and an operator that has written 1.1.0.
async fn settled() -> (World, Registry, Recorder, Hooks) {
    let (mut world, registry, recorder) = idle().await;
    let hooks = Hooks::of(&mut world);
    world.start_operator();
    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    (world, registry, recorder, hooks)
}

/// A world without an operator, with `team/app` at 1.0.0 in git and at 1.1.0 in the registry, and a
/// policy of 1.x; the registry is asked through a recorder.
async fn idle() -> (World, Registry, Recorder) {
    let (world, registry) = World::with_app(&[]).await;
    let recorder = Recorder::start(&registry.host()).await;
    let recorder = recorder.expect("the recorder starts");
    let image = image(&recorder);
    let file = kustomization(&image, "1.0.0");
    let file = ("overlays/prod/kustomization.yaml", file.as_bytes());
    let written = world.git.commit("env", "main", &[file], "Name the image");
    written.expect("the file is written");
    let spec = json!({"image": image, "interval": INTERVAL});
    world.watch("app", spec).await;
    let images = semver("app", "1.x");
    world
        .policy("app", images, json!({"interval": INTERVAL}))
        .await;
    (world, registry, recorder)
}

/// A replica with a receiver of its own.
struct Replica {
    process: Child,
    pages: Pages,
    hooks: Hooks,
}

impl Replica {
    /// Starts one, and waits until `/readyz` says this.
    async fn start(world: &World, expected: &str) -> Self {
        let (hooks, flags) = Hooks::with_flags();
        let (pages, metrics) = Pages::with_flag();
        let namespace = format!("--leader-election-namespace={}", world.namespace);
        let mut all = vec!["--leader-elect".to_owned(), namespace, metrics];
        all.extend(flags);
        let process = world.launch_operator_with(&all);
        world
            .until(
                &format!("a replica that says {expected:?}"),
                async || match pages.get("/readyz").await? {
                    (200, text) if text == expected => Ok(()),
                    other => Err(format!("{other:?}")),
                },
            )
            .await;
        Self {
            process,
            pages,
            hooks,
        }
    }

    /// How many objects it asked for because of a webhook.
    async fn asked_for(&self) -> f64 {
        let samples = self.pages.scrape().await.expect("the replica runs");
        let asked = samples
            .iter()
            .filter(|(series, _)| series.starts_with("image_update_webhook_requested_scans_total"));
        asked.map(|(_, value)| value).sum()
    }
}

fn image(recorder: &Recorder) -> String {
    format!("{}/team/app", recorder.host())
}

async fn push(registry: &Registry, tag: &str) {
    let pushed = registry.push("team/app", tag).await;
    pushed.expect("the image is pushed");
}

/// What GitHub sends when `team/app` was pushed.
fn ghcr(tag: &str) -> Value {
    json!({
        "action": "published",
        "package": {
            "name": "app",
            "package_type": "CONTAINER",
            "owner": {"login": "Team"},
            "package_version": {"container_metadata": {"tag": {"name": tag}}},
        },
    })
}

fn scans(recorder: &Recorder) -> usize {
    recorder.count("GET", "/tags/list")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_is_committed_long_before_the_interval() {
    let (world, registry, recorder, hooks) = settled().await;
    push(&registry, "1.2.0").await;
    let body = json!({"image": format!("{}:1.2.0", image(&recorder))});
    let answer = hooks.signed("/webhook/generic", &body).await;
    assert_eq!(answer, (200, "1 push\n".to_owned()));
    world.kustomization_says("newTag: 1.2.0").await;

    // It is the annotation that asked, which any replica can write and the leader obeys.
    let watch: ImageWatch = world.api().get("app").await.expect("the watch is there");
    let annotations = watch.metadata.annotations.unwrap_or_default();
    assert!(
        annotations.contains_key("image-update.dev/requestedAt"),
        "{annotations:?}"
    );
    assert!(!world.logs().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_oversized_or_malformed_is_refused_and_scans_nothing() {
    let (world, registry, recorder, hooks) = settled().await;
    push(&registry, "1.2.0").await;
    let before = scans(&recorder);
    let check = async |request: RequestBuilder, expected: u16| {
        let (status, text) = answer(request).await;
        assert_eq!(status, expected, "{text}");
        assert!(!text.contains(SECRET), "{text}");
    };
    let post = |path: &str| hooks.request(Method::POST, path);
    let body = json!({"image": format!("{}:1.2.0", image(&recorder))}).to_string();
    let right = signature(SECRET, &body);
    let header = "x-hub-signature-256";

    check(post("/webhook/generic").body(body.clone()), 401).await;
    check(
        post("/webhook/generic?secret=guess").body(body.clone()),
        403,
    )
    .await;
    let forged = signature("guess", &body);
    check(
        post("/webhook/generic")
            .header(header, forged)
            .body(body.clone()),
        403,
    )
    .await;
    let other = body.replace("1.2.0", "1.3.0");
    check(
        post("/webhook/generic").header(header, &right).body(other),
        403,
    )
    .await;
    // Quay does not sign, so that a signature proves nothing.
    check(
        post("/webhook?type=quay.io")
            .header(header, &right)
            .body(body.clone()),
        401,
    )
    .await;
    // Without a secret it is not served, whatever is presented.
    let harbor = post("/webhook?type=harbor").header("authorization", "");
    check(harbor.body(body.clone()), 404).await;
    check(post("/webhook/gcr.io").body(body.clone()), 404).await;
    check(post("/").body(body.clone()), 404).await;
    let with_secret = format!("/webhook/generic?secret={SECRET}");
    check(hooks.request(Method::GET, &with_secret), 405).await;

    let large = vec![b' '; 1024 * 1024 + 1];
    check(post(&with_secret).body(large.clone()), 413).await;
    let chunks = futures::stream::iter([Ok::<_, std::io::Error>(large)]);
    check(
        post(&with_secret).body(reqwest::Body::wrap_stream(chunks)),
        413,
    )
    .await;
    for malformed in [
        "",
        "{",
        "[]",
        "{\"image\": 1}",
        "{\"image\": \"a b\"}",
        "\u{0}",
    ] {
        check(post(&with_secret).body(malformed), 400).await;
    }
    let deep = "[".repeat(500_000);
    check(post(&with_secret).body(deep), 400).await;

    tokio::time::sleep(QUIET).await;
    assert_eq!(scans(&recorder), before);
    assert!(world.kustomization().contains("newTag: 1.1.0"));
    assert!(!world.logs().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_one_scan_and_a_repeated_body_none() {
    let (world, registry, recorder, hooks) = settled().await;
    push(&registry, "1.2.0").await;
    let before = scans(&recorder);
    let path = format!("/webhook?type=ghcr.io&registry_url={}", recorder.host());
    let bodies: Vec<Value> = (0..20).map(|minor| ghcr(&format!("1.{minor}.0"))).collect();
    let sent = bodies.iter().map(|body| hooks.signed(&path, body));
    for (status, text) in futures::future::join_all(sent).await {
        assert_eq!((status, text.as_str()), (200, "1 push\n"));
    }
    world.kustomization_says("newTag: 1.2.0").await;
    tokio::time::sleep(QUIET).await;
    // Those that came while the first was asked for are asked for once more.
    let after = scans(&recorder);
    assert!((1..=2).contains(&(after - before)), "{before} {after}");

    for body in &bodies {
        let answer = hooks.signed(&path, body).await;
        assert_eq!(answer, (200, "the same was sent before\n".to_owned()));
    }
    tokio::time::sleep(QUIET).await;
    assert_eq!(scans(&recorder), after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_hands_over_to_the_leader_what_it_is_told() {
    let (world, registry, recorder) = idle().await;
    let leader = Replica::start(&world, "ok\n").await;
    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    let standby = Replica::start(&world, "ok: standing by, another replica leads\n").await;

    push(&registry, "1.2.0").await;
    let path = format!("/webhook?type=ghcr.io&registry_url={}", recorder.host());
    let pushed = ghcr("1.2.0");
    let told = standby.hooks.signed(&path, &pushed).await;
    assert_eq!(told, (200, "1 push\n".to_owned()));
    world.kustomization_says("newTag: 1.2.0").await;
    assert!((standby.asked_for().await - 1.0).abs() < 1e-9);
    assert!(leader.asked_for().await.abs() < 1e-9, "it only obeyed");

    // What is worth nothing to a leader is worth nothing to who stands by.
    push(&registry, "1.3.0").await;
    tokio::time::sleep(QUIET).await;
    let before = scans(&recorder);
    let refused = async |request: RequestBuilder, expected: u16| {
        let (status, text) = answer(request).await;
        assert_eq!(status, expected, "{text}");
    };
    let post = |path: &str| standby.hooks.request(Method::POST, path);
    let forged = json!({"image": format!("{}:1.3.0", image(&recorder))}).to_string();
    let guess = signature("guess", &forged);
    let request = post("/webhook/generic").header("x-hub-signature-256", guess);
    refused(request.body(forged.clone()), 403).await;
    refused(post("/webhook/generic").body(forged), 401).await;
    let large = vec![b' '; 1024 * 1024 + 1];
    let with_secret = format!("/webhook/generic?secret={SECRET}");
    refused(post(&with_secret).body(large), 413).await;
    let again = standby.hooks.signed(&path, &pushed).await;
    assert_eq!(again, (200, "the same was sent before\n".to_owned()));
    tokio::time::sleep(QUIET).await;
    assert_eq!(scans(&recorder), before);
    assert!(world.kustomization().contains("newTag: 1.2.0"));
    assert!(!standby.process.log_tail().to_string().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_to_all_replicas_is_few_scans() {
    let (world, registry, recorder) = idle().await;
    let leader = Replica::start(&world, "ok\n").await;
    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    let standby = Replica::start(&world, "ok: standing by, another replica leads\n").await;
    push(&registry, "1.2.0").await;
    let before = scans(&recorder);
    let path = format!("/webhook?type=ghcr.io&registry_url={}", recorder.host());
    let bodies: Vec<Value> = (0..40).map(|minor| ghcr(&format!("1.{minor}.0"))).collect();
    let replicas = [&leader, &standby].into_iter().cycle();
    let sent = bodies
        .iter()
        .zip(replicas)
        .map(|(body, replica)| replica.hooks.signed(&path, body));
    for (status, text) in futures::future::join_all(sent).await {
        assert_eq!((status, text.as_str()), (200, "1 push\n"));
    }
    world.kustomization_says("newTag: 1.2.0").await;
    tokio::time::sleep(QUIET).await;
    // Each asks for the watch, and for what came meanwhile once more.
    let asked = leader.asked_for().await + standby.asked_for().await;
    assert!((2.0..=4.0).contains(&asked), "{asked}");
    let scanned = scans(&recorder) - before;
    assert!((1..=4).contains(&scanned), "{scanned}");
    assert_eq!(world.commits().len(), 2, "1.1.0 and 1.2.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_no_policy_could_take_scans_nothing() {
    let (world, registry, recorder, hooks) = settled().await;
    push(&registry, "2.0.0").await;
    let before = scans(&recorder);
    let other = image(&recorder).replace("team/app", "team/other");
    for image in [
        format!("{}:2.0.0", image(&recorder)),
        format!("{}:latest", image(&recorder)),
        format!("{}:sha256-abc.sig", image(&recorder)),
        format!("{other}:1.2.0"),
        "team/app:1.2.0".to_owned(),
    ] {
        let answer = hooks
            .signed("/webhook/generic", &json!({"image": image}))
            .await;
        assert_eq!(answer, (200, "1 push\n".to_owned()), "{image}");
    }
    let deleted = json!({"action": "deleted", "package": ghcr("1.2.0")["package"]});
    let answer = hooks.signed("/webhook/ghcr.io", &deleted).await;
    assert_eq!(answer, (200, "nothing was pushed\n".to_owned()));
    let suspended = json!({"spec": {"suspend": true}});
    world.patch("ImageUpdatePolicy", "app", suspended).await;
    world.policy_becomes("app", "Suspended").await;
    let body = json!({"image": format!("{}:1.2.0", image(&recorder))});
    hooks.signed("/webhook/generic", &body).await;
    tokio::time::sleep(QUIET).await;
    assert_eq!(scans(&recorder), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_with_an_image_of_its_own_is_asked_for_itself() {
    let (mut world, registry) = World::with_app(&[]).await;
    world.deploy_app(&registry, "1.0.0");
    let host = registry.host();
    let folder = tempfile::tempdir().expect("a folder can be made");
    let conf = folder.path().join("registries.conf");
    let text = format!("registries:\n- name: ours\n  prefix: {host}\n  api_url: http://{host}\n");
    std::fs::write(&conf, text).expect("a file can be written");
    world.flag(&format!("--registries-conf-path={}", conf.display()));
    let image = format!("{host}/team/app");
    let images = json!([{"alias": "web", "image": image, "strategy": {"semver": {}}}]);
    world
        .policy("app", images, json!({"interval": INTERVAL}))
        .await;
    let hooks = Hooks::of(&mut world);
    world.start_operator();
    world.kustomization_says("newTag: 1.1.0").await;

    // Quay's secret stands in the address, and its bodies are never taken for repeated ones.
    let path = format!("/webhook?type=quay.io&secret={SECRET}");
    for tag in ["1.2.0", "1.3.0"] {
        push(&registry, tag).await;
        let body = json!({
            "repository": "team/app",
            "docker_url": image,
            "updated_tags": ["1.2.0", "1.3.0"],
        });
        let sent = hooks.request(Method::POST, &path).body(body.to_string());
        assert_eq!(answer(sent).await, (200, "2 pushes\n".to_owned()));
        world.kustomization_says(&format!("newTag: {tag}")).await;
    }
    assert!(!world.logs().contains(SECRET));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_was_moved_is_followed_at_once() {
    let (mut world, registry) = World::with_app(&[]).await;
    push(&registry, "stable").await;
    world.deploy_app(&registry, "stable");
    let image = format!("{}/team/app", registry.host());
    let spec = json!({"image": image, "interval": INTERVAL, "excludeTags": []});
    world.watch("app", spec).await;
    let images = json!([{
        "alias": "web",
        "watchRef": {"name": "app"},
        "strategy": {"digest": {"tag": "stable"}},
    }]);
    world
        .policy("app", images, json!({"interval": INTERVAL}))
        .await;
    let hooks = Hooks::of(&mut world);
    world.start_operator();
    world.kustomization_says("digest: sha256:").await;

    let options = PushOptions {
        content: "second".to_owned(),
        ..PushOptions::default()
    };
    let moved = registry.push_image("team/app", "stable", &options).await;
    let moved = moved.expect("the image is pushed");
    let body = json!({"image": format!("{image}:stable")});
    hooks.signed("/webhook/generic", &body).await;
    world.kustomization_says(&format!("digest: {moved}")).await;
}
