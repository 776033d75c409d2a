//! What a collector gets to see: one trace from the scan that found a tag to its commit.

use std::time::Duration;

use image_update_testkit::otlp::{Collector, Span};
use serde_json::json;

use super::main_job::semver;
use crate::world::{GIT_PASSWORD, World};

/// A world whose operator is not started yet, and whose policy waits for a tag above 1.1.0.
async fn waiting(
    collector: &Collector,
    flags: &[&str],
) -> (World, image_update_testkit::registry::Registry) {
    let (mut world, registry) = World::with_app(&[("README", b"")]).await;
    world.deploy_app(&registry, "1.1.0");
    world
        .policy("app", semver("app", ">=1.0.0"), json!({"interval": "1h"}))
        .await;
    world.flag(&format!("--otlp-endpoint={}", collector.endpoint()));
    for flag in flags {
        world.flag(flag);
    }
    (world, registry)
}

/// Waits for a span.
async fn span(world: &World, collector: &Collector, is_it: impl Fn(&Span) -> bool) -> Span {
    world
        .until(&"the span at the collector", async || {
            let spans = collector.spans();
            let names: Vec<&str> = spans.iter().map(|it| it.name.as_str()).collect();
            spans
                .iter()
                .find(|span| is_it(span))
                .cloned()
                .ok_or_else(|| format!("{names:?}"))
        })
        .await
}

/// The names of the spans above one, the nearest first.
fn above(spans: &[Span], span: &Span) -> Vec<String> {
    let mut names = Vec::new();
    let mut child = span;
    while let Some(parent) = spans.iter().find(|it| it.span_id == child.parent_id) {
        let kind = parent.attributes.get("object.kind");
        names.push(kind.unwrap_or(&parent.name).clone());
        child = parent;
    }
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_scan_to_the_commit() {
    let collector = Collector::start().await.expect("the collector starts");
    let (mut world, registry) = waiting(&collector, &[]).await;
    world.start_operator();
    world.policy_becomes("app", "Succeeded").await;

    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says("newTag: 1.2.0").await;
    let head = world.git.head("env", "main").expect("the branch is there");

    let commit = span(&world, &collector, |span| {
        span.attributes.get("commit.id") == Some(&head)
    })
    .await;
    assert_eq!(commit.name, "git update");
    assert_eq!(commit.service, "image-update-operator");
    let root = span(&world, &collector, |span| {
        span.trace_id == commit.trace_id && span.parent_id.is_empty()
    })
    .await;
    assert_eq!(root.attributes["object.kind"], "ImageWatch");
    assert_eq!(root.attributes["object.name"], "app");
    assert_eq!(root.attributes["outcome"], "ready");
    // A span is sent when it has ended, so that those above come later.
    world
        .until(&"the whole trace", async || {
            let spans = collector.spans();
            let path = above(&spans, &commit);
            if path == ["batch", "write", "ImageUpdatePolicy", "ImageWatch"] {
                Ok(())
            } else {
                Err(format!("{path:?}"))
            }
        })
        .await;
    let spans = collector.spans();
    let of_trace = spans.iter().filter(|it| it.trace_id == commit.trace_id);
    let names: Vec<&str> = of_trace.map(|it| it.name.as_str()).collect();
    for name in ["scan", "gather", "decide"] {
        assert!(names.contains(&name), "{name} is not among {names:?}");
    }
    let shown = format!("{spans:?}");
    assert!(!shown.contains(GIT_PASSWORD), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ratio_of_zero_sends_nothing() {
    let collector = Collector::start().await.expect("the collector starts");
    let (mut world, _registry) = waiting(&collector, &["--otlp-sampling-ratio=0"]).await;
    world.environment("OTEL_BSP_SCHEDULE_DELAY", "100");
    world.start_operator();
    world.policy_becomes("app", "Succeeded").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(collector.spans(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_sent_yet_is_sent_at_sigterm() {
    let collector = Collector::start().await.expect("the collector starts");
    let (mut world, _registry) = waiting(&collector, &[]).await;
    // Of itself it would send them in an hour, in milliseconds.
    world.environment("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    world.start_operator();
    world.policy_becomes("app", "Succeeded").await;
    assert_eq!(collector.spans(), []);
    let pid = world.operator_pid().to_string();
    #[expect(clippy::disallowed_methods, reason = "tests send signals")]
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status()
        .expect("there is kill");
    assert!(sent.success());
    world
        .until(&"the last spans", async || {
            let spans = collector.spans();
            let is_there = spans.iter().any(|it| {
                it.attributes.get("object.kind").map(String::as_str) == Some("ImageUpdatePolicy")
            });
            if is_there {
                Ok(())
            } else {
                Err(format!("{} spans", spans.len()))
            }
        })
        .await;
}
