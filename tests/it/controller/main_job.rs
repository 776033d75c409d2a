//! The main job: a tag is pushed, and the commit that uses it is in git.

use std::time::{Duration, Instant};

use image_update_operator::api::v1alpha1::ImageState;
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use crate::world::{World, kustomization};

/// A world with one repository `app`, one watch, one policy, and the operator running.
pub(super) async fn running(tags: &[&str], current: &str) -> (World, Registry) {
    let mut world = World::start().await;
    let registry = Registry::start().await.expect("the registry starts");
    for tag in tags {
        registry
            .push("team/app", tag)
            .await
            .expect("the image is pushed");
    }
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, current);
    world
        .git
        .create_repository(
            "env",
            &[("overlays/prod/kustomization.yaml", file.as_bytes())],
        )
        .expect("the repository is made");
    world.watch("app", json!({"image": image})).await;
    world
        .policy("app", semver("app", ">=1.0.0"), json!({}))
        .await;
    world.start_operator();
    (world, registry)
}

/// One image that follows a watch by semver.
pub(super) fn semver(watch: &str, constraint: &str) -> Value {
    json!([{
        "alias": "web",
        "watchRef": {"name": watch},
        "strategy": {"semver": {"constraint": constraint}},
    }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pushed_tag_becomes_a_commit() {
    let (world, registry) = running(&["1.0.0"], "0.9.0").await;
    world.kustomization_says("newTag: 1.0.0").await;

    registry
        .push("team/app", "1.1.0")
        .await
        .expect("the image is pushed");
    world.kustomization_says("newTag: 1.1.0").await;

    let image = format!("{}/team/app", registry.host());
    assert_eq!(
        world.kustomization(),
        kustomization(&image, "1.1.0"),
        "only the tag changed"
    );
    assert_eq!(
        world.commits(),
        [
            format!("updates image {image} tag '1.0.0' to '1.1.0'"),
            format!("updates image {image} tag '0.9.0' to '1.0.0'"),
        ]
    );
    world.git.fsck("env").expect("the repository is sound");

    world.policy_becomes("app", "Succeeded").await;
    let status = world.policy_status("app").await;
    assert_eq!(status.images[0].selected.as_deref(), Some("1.1.0"));
    assert_eq!(status.images[0].current.as_deref(), Some("1.1.0"));
    assert_eq!(status.images[0].state, ImageState::UpToDate);
    assert_eq!(status.history.len(), 2);
    let head = world.git.head("env", "main").expect("the branch is there");
    assert_eq!(status.last_write.and_then(|write| write.commit), Some(head));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_tags_are_acted_on_at_once_and_not_at_the_policys_interval() {
    let (world, registry) = running(&["1.0.0"], "1.0.0").await;
    world
        .patch(
            "ImageUpdatePolicy",
            "app",
            json!({"spec": {"interval": "1h"}}),
        )
        .await;
    world.policy_becomes("app", "Succeeded").await;

    registry
        .push("team/app", "1.1.0")
        .await
        .expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    let started = Instant::now();
    world.kustomization_says("newTag: 1.1.0").await;
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "took {:?}",
        started.elapsed()
    );
}

/// How many requests to git a look takes that finds nothing to do.
async fn requests_of_a_poll(world: &World) -> u64 {
    let head = world.git.head("env", "main").expect("the branch is there");
    // The first scan may have asked for a second look while the first one waited in the queue.
    let mut requests = 0;
    while requests != world.git.requests() {
        requests = world.git.requests();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    world.request("ImageUpdatePolicy", "app").await;
    world
        .until(&"the request to be honoured", async || {
            let handled = world.policy_status("app").await.last_handled_reconcile_at;
            handled.ok_or_else(|| "not yet".to_owned())
        })
        .await;
    assert_eq!(
        world.git.head("env", "main").expect("the branch is there"),
        head
    );
    world.git.requests() - requests
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_change_means_no_commit_and_one_git_request() {
    let (world, _registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    assert_eq!(requests_of_a_poll(&world).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_cache_every_look_fetches_what_it_needs() {
    let (mut world, _registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.kill_operator();
    world.flag("--git-cache-bytes=0");
    let before = world.git.requests();
    world.start_operator();
    world
        .until(&"the first look", async || {
            let requests = world.git.requests() - before;
            if requests > 0 {
                Ok(())
            } else {
                Err("none".to_owned())
            }
        })
        .await;
    // The refs, the commit with its trees, and the file; the trees may be asked for one by one.
    let requests = requests_of_a_poll(&world).await;
    assert!((3..=6).contains(&requests), "{requests}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edited_policy_is_followed() {
    let (world, _registry) = running(&["1.0.0", "1.5.0", "2.0.0"], "1.0.0").await;
    world.kustomization_says("newTag: 2.0.0").await;

    // Down only when that is allowed.
    world
        .policy("app", semver("app", "<2.0.0"), json!({}))
        .await;
    let message = world.policy_becomes("app", "DowngradeRefused").await;
    assert!(
        message.contains("1.5.0") && message.contains("2.0.0"),
        "{message}"
    );

    let mut images = semver("app", "<2.0.0");
    images[0]["allowDowngrade"] = json!(true);
    world.policy("app", images, json!({})).await;
    world.kustomization_says("newTag: 1.5.0").await;

    world
        .policy("app", semver("app", "*"), json!({"suspend": true}))
        .await;
    world.policy_becomes("app", "Suspended").await;
    world
        .policy("app", semver("app", "*"), json!({"dryRun": true}))
        .await;
    let message = world.policy_becomes("app", "DryRun").await;
    assert!(message.contains("web"), "{message}");
    assert!(
        world.kustomization().contains("1.5.0"),
        "suspend and dryRun write nothing"
    );

    world
        .policy("app", semver("app", "*"), json!({"dryRun": false}))
        .await;
    world.kustomization_says("newTag: 2.0.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_vanishes_never_takes_a_deployment_back() {
    let (world, registry) = running(&["1.0.0", "1.1.0"], "1.0.0").await;
    world.kustomization_says("newTag: 1.1.0").await;
    registry
        .delete_tag("team/app", "1.1.0")
        .await
        .expect("the tag is deleted");
    world.request("ImageWatch", "app").await;
    let message = world.policy_becomes("app", "DowngradeRefused").await;
    assert!(message.contains("1.1.0"), "{message}");
    assert!(world.kustomization().contains("newTag: 1.1.0"));
    let status = world.policy_status("app").await;
    assert_eq!(status.images[0].state, ImageState::Held);
}

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_get_says_whether_all_is_well() {
    let (world, _registry) = running(&["1.0.0", "1.1.0"], "1.0.0").await;
    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;

    let policies = table(&world, "imageupdatepolicies").await;
    assert_eq!(policies["Name"], "app");
    assert_eq!(policies["Images"], "1/1");
    assert_eq!(policies["Ready"], "True");
    assert_eq!(policies["Status"], "up to date at 1.1.0");
    let watches = table(&world, "imagewatches").await;
    assert_eq!(watches["Latest"], "1.1.0");
    assert_eq!(watches["Tags"], 2);
    assert_eq!(watches["Ready"], "True");
    assert_eq!(watches["Status"], "2 tags");
}

/// The one row that `kubectl get` prints, by column.
async fn table(world: &World, plural: &str) -> Value {
    let path = format!(
        "/apis/image-update.dev/v1alpha1/namespaces/{}/{plural}",
        world.namespace
    );
    let request = http::Request::get(path)
        .header("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
        .body(Vec::new())
        .expect("the request is well formed");
    let table: Value = world
        .kube
        .request(request)
        .await
        .expect("the table can be read");
    let columns = table["columnDefinitions"]
        .as_array()
        .expect("a table has columns");
    let cells = table["rows"][0]["cells"]
        .as_array()
        .expect("there is one row");
    columns
        .iter()
        .zip(cells)
        .map(|(column, cell)| {
            (
                column["name"].as_str().unwrap_or_default().to_owned(),
                cell.clone(),
            )
        })
        .collect::<serde_json::Map<_, _>>()
        .into()
}
