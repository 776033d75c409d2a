//! What a running operator tells of itself: metrics that move as things happen, and probes.

use std::collections::{BTreeMap, BTreeSet};

use image_update_operator::metrics::TABLE;
use image_update_testkit::process::free_port;
use serde_json::json;

use super::main_job::semver;
use crate::alerts::complaints;
use crate::world::{World, kustomization};

/// Where a test's operator serves.
pub(crate) struct Pages {
    address: String,
}

impl Pages {
    /// Of the operator that `world` starts next.
    fn of(world: &mut World) -> Self {
        let (pages, flag) = Self::with_flag();
        world.flag(&flag);
        pages
    }

    /// Of the operator that is started with this flag.
    pub(crate) fn with_flag() -> (Self, String) {
        let port = free_port().expect("there is a free port");
        let address = format!("127.0.0.1:{port}");
        let flag = format!("--metrics-address={address}");
        (Self { address }, flag)
    }

    /// Status and body of a page; an error while nobody listens.
    pub(crate) async fn get(&self, path: &str) -> Result<(u16, String), String> {
        let url = format!("http://{}{path}", self.address);
        let answer = reqwest::get(url).await.map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let body = answer.text().await.map_err(|error| error.to_string())?;
        Ok((status, body))
    }

    /// The samples, each by its name with labels.
    pub(crate) async fn scrape(&self) -> Result<BTreeMap<String, f64>, String> {
        let (status, text) = self.get("/metrics").await?;
        assert_eq!(status, 200, "{text}");
        Ok(parse(&text))
    }
}

/// Reads the text format as strictly as it is specified: each sample belongs to the family that
/// was announced last, and no series is there twice.
fn parse(text: &str) -> BTreeMap<String, f64> {
    let mut samples = BTreeMap::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let name = comment.split(' ').nth(1).expect("HELP and TYPE have names");
            let is_known = TABLE.iter().any(|it| it.name == name);
            assert!(is_known, "{name} is not in the table");
            family = name;
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a sample has a value");
        let name = series.split('{').next().unwrap_or_default();
        assert!(name.starts_with(family), "{line} under {family}");
        let value: f64 = value.parse().expect("a sample's value is a number");
        let before = samples.insert(series.to_owned(), value);
        assert_eq!(before, None, "{series} is there twice");
    }
    samples
}

/// The sum of all series whose name begins so and that have all these labels.
fn sum(samples: &BTreeMap<String, f64>, name: &str, labels: &[&str]) -> f64 {
    samples
        .iter()
        .filter(|(series, _)| series.split('{').next() == Some(name))
        .filter(|(series, _)| labels.iter().all(|label| series.contains(label)))
        .map(|(_, value)| value)
        .sum()
}

/// Waits until the sum of these series is `expected`.
async fn becomes(world: &World, pages: &Pages, name: &str, labels: &[&str], expected: f64) {
    world
        .until(&format!("{name} {labels:?} of {expected}"), async || {
            let samples = pages.scrape().await?;
            let found = sum(&samples, name, labels);
            if (found - expected).abs() < 1e-9 {
                Ok(())
            } else {
                Err(found.to_string())
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_move_as_things_happen() {
    let file = kustomization("app", "1.0.0");
    let (mut world, registry) =
        World::with_app(&[("overlays/prod/kustomization.yaml", file.as_bytes())]).await;
    let pages = Pages::of(&mut world);
    world.deploy_app(&registry, "1.0.0");
    world
        .policy("app", semver("app", ">=1.0.0"), json!({}))
        .await;
    world.start_operator();
    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;

    let updated = "argocd_image_updater_images_updated_total";
    becomes(&world, &pages, updated, &[], 1.0).await;
    // 1.1.0 was there before anybody looked.
    let latency = "image_update_tag_to_commit_seconds_count";
    becomes(&world, &pages, latency, &[], 0.0).await;
    let ready = ["kind=\"ImageUpdatePolicy\"", "reason=\"Succeeded\""];
    becomes(&world, &pages, "image_update_objects", &ready, 1.0).await;
    becomes(&world, &pages, "image_update_tags", &[], 2.0).await;

    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says("newTag: 1.2.0").await;
    becomes(&world, &pages, updated, &[], 2.0).await;
    becomes(&world, &pages, latency, &[], 1.0).await;
    becomes(&world, &pages, "image_update_tags", &[], 3.0).await;

    let samples = pages.scrape().await.expect("the operator runs");
    let of = |name: &str, labels: &[&str]| sum(&samples, name, labels);
    let host = format!("registry=\"{}\"", registry.host());
    let ours = of(
        "image_update_registry_requests_total",
        &[&host, "method=\"GET\""],
    );
    assert!(ours >= 2.0, "{samples:#?}");
    let legacy = of("argocd_image_updater_registry_requests_total", &[&host]);
    assert!(legacy >= ours, "{samples:#?}");
    let pushed = of("image_update_git_operations_total", &["outcome=\"pushed\""]);
    assert!((pushed - 2.0).abs() < 1e-9, "{samples:#?}");
    let sent = ["service=\"git-receive-pack\"", "direction=\"sent\""];
    for (name, labels) in [
        ("image_update_git_bytes_total", &sent[..]),
        (
            "image_update_scan_duration_seconds_count",
            &["outcome=\"success\""],
        ),
        (
            "image_update_reconcile_duration_seconds_count",
            &["outcome=\"ready\""],
        ),
        ("image_update_selection_duration_seconds_count", &[]),
        ("image_update_git_batch_policies_count", &[]),
        ("image_update_last_successful_scan_timestamp_seconds", &[]),
        ("image_update_build_info", &[]),
        ("argocd_image_updater_images_checked_total", &[]),
        ("argocd_image_updater_images_watched_total", &[]),
        ("argocd_image_updater_k8s_api_requests_total", &[]),
    ] {
        assert!(of(name, labels) > 0.0, "{name} {labels:?}: {samples:#?}");
    }
    let errors = of("argocd_image_updater_images_updated_errors_total", &[]);
    assert!(errors.abs() < 1e-9, "{samples:#?}");

    // Two of the predecessor's names say that they are counters; who has them in a dashboard counts
    // on both name and type.
    let (_, text) = pages.get("/metrics").await.expect("the operator runs");
    let expected = ["applications", "images"].map(|what| {
        format!(
            "argocd_image_updater_{what}_watched_total non-counter metrics should not have \
             \"_total\" suffix"
        )
    });
    assert_eq!(complaints(&text), BTreeSet::from(expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_is_refused_is_counted_as_an_error() {
    let (mut world, registry) = World::with_app(&[("README", b"")]).await;
    world.deploy_app(&registry, "1.0.0");
    let hook = "#!/bin/sh\nexit 1\n";
    let installed = world.git.install_hook("env", "pre-receive", hook);
    installed.expect("the hook is installed");
    let pages = Pages::of(&mut world);
    world
        .policy("app", semver("app", ">=1.0.0"), json!({}))
        .await;
    world.start_operator();
    world.policy_becomes("app", "PushRejected").await;
    world
        .until(&"the error to be counted", async || {
            let samples = pages.scrape().await?;
            let unwritten = "argocd_image_updater_images_updated_errors_total";
            let refused = sum(
                &samples,
                "image_update_git_operations_total",
                &["outcome=\"refused\""],
            );
            let seen = (sum(&samples, unwritten, &[]), refused);
            if seen.0 >= 1.0 && seen.1 >= 1.0 {
                Ok(())
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_say_whether_the_operator_lives_and_is_ready() {
    let mut world = World::start().await;
    let pages = Pages::of(&mut world);
    world.start_operator();
    world
        .until(&"the operator to be ready", async || {
            match pages.get("/readyz").await? {
                (200, _) => Ok(()),
                (status, body) => Err(format!("{status}: {body}")),
            }
        })
        .await;
    let found = pages.get("/healthz").await;
    assert_eq!(found, Ok((200, "ok\n".to_owned())));
    for path in ["/debug", "/debug/pprof", "/"] {
        let status = pages.get(path).await.map(|(status, _)| status);
        assert_eq!(status, Ok(404), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_changes_while_the_operator_runs() {
    let (mut world, _registry) = World::with_app(&[("README", b"")]).await;
    let debug = format!("127.0.0.1:{}", free_port().expect("there is a free port"));
    world.flag(&format!("--debug-address={debug}"));
    world.flag("--log-level=info");
    world.start_operator();
    world.watch_becomes("app", "Succeeded").await;
    let url = |path: &str| format!("http://{debug}/debug/{path}");
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let answer = client.get(url(path)).send().await.expect("it answers");
        answer.text().await.expect("it is text")
    };
    let put = async |body: &'static str| {
        let sent = client.put(url("log-level")).body(body).send().await;
        sent.expect("it answers").status().as_u16()
    };
    let is_debugged = || world.logs().contains(" DEBUG ");
    assert_eq!(get("log-level").await, "info\n");
    assert!(!is_debugged());
    assert_eq!(put("a=b=c").await, 400);
    assert_eq!(put("debug,hyper=warn").await, 200);
    assert_eq!(get("log-level").await, "debug,hyper=warn\n");
    world.request("ImageWatch", "app").await;
    world
        .until(&"a line of another level", async || {
            if is_debugged() {
                Ok(())
            } else {
                Err(String::new())
            }
        })
        .await;
    let state = get("state").await;
    let state: serde_json::Value = serde_json::from_str(&state).expect("it is JSON");
    let host = &state["registries"][0];
    let is_there = host["host"]
        .as_str()
        .is_some_and(|it| it.starts_with("http"));
    assert!(is_there && host["waiting"] == 0, "{state:#}");
}
