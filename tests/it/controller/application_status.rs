//! What a policy says of the Applications that it selects.

use std::collections::BTreeSet;

use image_update_operator::api::v1alpha1::{ImageState, Reason};
use serde_json::{Value, json};

use super::applications::{application, parameter, parameters, policy, world};
use crate::world::World;

async fn deploy(world: &World, name: &str, runs: &str) {
    let status = json!({"sourceType": "Helm", "summary": {"images": [runs]}});
    application(world, name, &parameter("1.0.0"), &status).await;
}

/// A policy of the image `web`, written to all Applications themselves.
async fn follow(world: &World, watch: &str, only_live: bool) {
    let images: Value = json!([{
        "alias": "web",
        "watchRef": {"name": watch},
        "strategy": {"semver": {}},
        "helm": {"tag": "image.tag"},
        "onlyLive": only_live,
    }]);
    let spec = json!({
        "images": images,
        "applications": [{"name": "*"}],
        "writeBack": {"argocd": {}},
    });
    world.apply("ImageUpdatePolicy", "app", spec).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_application_runs_is_not_called_up_to_date() {
    let (world, _registry) = world(&[("README.md", b"\n")]).await;
    deploy(&world, "shop", "registry.example/other:1").await;
    follow(&world, "app", true).await;
    let message = world.policy_becomes("app", "NotLive").await;
    assert_eq!(message, "web: no Application runs it");
    let (ready, _, _) = world.policy_ready("app").await;
    assert_eq!(ready, "True", "that is what onlyLive asks for");
    let status = world.policy_status("app").await;
    let summary = status.summary.expect("there is a summary");
    assert_eq!((&*summary.images, &*summary.applications), ("0/1", "0/1"));
    let counts = status.applications.expect("there are Applications");
    assert_eq!((counts.up_to_date, counts.not_live), (0, 1));
    assert_eq!(status.attention[0].state, ImageState::NotLive);
    let untouched = parameter("1.0.0")["source"]["helm"]["parameters"].clone();
    assert_eq!(parameters(&world, "shop").await, Ok(untouched));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_application_that_is_patched_is_a_line_of_the_history() {
    const NAMES: [&str; 3] = ["bank", "cafe", "shop"];
    let (world, _registry) = world(&[("README.md", b"\n")]).await;
    for name in NAMES {
        deploy(&world, name, "registry.example/other:1").await;
    }
    policy(&world, json!([{"name": "*"}]), json!({"argocd": {}})).await;
    world.policy_becomes("app", "Succeeded").await;
    let names: BTreeSet<String> = NAMES
        .iter()
        .map(|name| format!("{}/{name}", world.namespace))
        .collect();
    let history = world.policy_status("app").await.history;
    let written = history.into_iter().filter_map(|it| it.application);
    assert_eq!(written.collect::<BTreeSet<_>>(), names);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_an_image_has_no_tags_every_application_counts_as_failed() {
    let (world, registry) = world(&[("README.md", b"\n")]).await;
    deploy(&world, "shop", "registry.example/other:1").await;
    follow(&world, "later", false).await;
    world.policy_becomes("app", "WatchNotFound").await;
    let status = world.policy_status("app").await;
    let counts = status.applications.expect("there are Applications");
    assert_eq!((counts.matched, counts.failed), (1, 1));
    let [attention] = &status.attention[..] else {
        unreachable!("{:?}", status.attention);
    };
    assert_eq!(attention.application, format!("{}/shop", world.namespace));
    assert_eq!(attention.reason, Reason::WatchNotFound);
    let since = attention.since.clone();
    assert!(since.is_some());

    // Another look finds it as it was.
    world.request("ImageUpdatePolicy", "app").await;
    let looked = async || {
        let status = world.policy_status("app").await;
        match status.last_handled_reconcile_at {
            Some(_) => Ok(status.attention[0].since.clone()),
            None => Err("not yet".to_owned()),
        }
    };
    assert_eq!(world.until(&"another look", looked).await, since);

    let image = format!("{}/team/app", registry.host());
    world.watch("later", json!({"image": image})).await;
    world.policy_becomes("app", "Succeeded").await;
    assert_eq!(world.policy_status("app").await.attention, []);
}
