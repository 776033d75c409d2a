//! Watches whose tags are not known, or are those of another repository: what their policies do.

use std::time::Duration;

use image_update_testkit::faulty_registry::{ALWAYS, Fault, FaultyRegistry};
use image_update_testkit::process::free_port;
use image_update_testkit::recorder::Recorder;
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use super::main_job::running;
use crate::world::{World, kustomization};

#[tokio::test(flavor = "multi_thread")]
async fn tags_of_the_old_repository_are_neither_written_nor_asked_about() {
    let mut world = World::start().await;
    let registry = Registry::start().await.expect("the registry starts");
    for tag in ["1.0.0", "1.1.0"] {
        let pushed = registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
    }
    let recorder = Recorder::start(&registry.host()).await;
    let recorder = recorder.expect("the recorder starts");
    let image = format!("{}/team/app", recorder.host());
    let file = kustomization(&image, "1.0.0");
    let files = [("overlays/prod/kustomization.yaml", file.as_bytes())];
    let made = world.git.create_repository("env", &files);
    made.expect("the repository is made");
    let watch = |image: &str| json!({"image": image, "interval": "1h"});
    world.watch("app", watch(&image)).await;
    world.policy("app", followed("1.0.0"), json!({})).await;
    world.start_operator();
    world.policy_becomes("app", "Succeeded").await;
    let before = world.commits();

    let port = free_port().expect("there is a free port");
    let elsewhere = format!("127.0.0.1:{port}/team/app");
    world.watch("app", watch(&elsewhere)).await;
    world.watch_becomes("app", "RegistryUnavailable").await;
    // Until a moment ago somebody may have asked with good reason.
    recorder.forget();
    world.policy("app", followed("*"), json!({})).await;
    world.policy_becomes("app", "WatchNotReady").await;
    assert_eq!(world.commits(), before);
    assert_eq!(recorder.requests(), Vec::<String>::new());
}

/// An image whose digest has to be asked for.
fn followed(constraint: &str) -> Value {
    json!([{
        "alias": "web",
        "watchRef": {"name": "app"},
        "strategy": {"semver": {"constraint": constraint}},
        "digestPolicy": "Always",
    }])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_watch_without_tags_is_told_by_its_policies() {
    let (mut world, _registry) = running(&["1.0.0"], "1.0.0").await;
    world.policy_becomes("app", "Succeeded").await;
    world.kill_operator();
    let suspended = json!({"spec": {"suspend": true}});
    world.patch("ImageWatch", "app", suspended).await;
    world.start_operator();
    let message = world.policy_becomes("app", "WatchNotReady").await;
    assert!(
        message.starts_with("ImageWatch app has no tags yet: it is suspended"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_another_watch_is_waited_for_is_told() {
    let (mut world, registry) = World::with_app(&[("README.md", b"\n")]).await;
    let slow = FaultyRegistry::start().await.expect("the registry starts");
    slow.set_tags("team/side", ["1.0.0".to_owned()]);
    let side = format!("{}/team/side", slow.host());
    let side_file = format!("images:\n- name: {side}\n  newTag: 1.0.0\n");
    let file = format!(
        "{side_file}- name: {}/team/app\n  newTag: 1.1.0\n",
        registry.host()
    );
    let file = ("overlays/prod/kustomization.yaml", file.as_bytes());
    let written = world.git.commit("env", "main", &[file], "Name the images");
    written.expect("the file is written");
    world.watch("side", json!({"image": side})).await;
    let image = |alias: &str| json!({"alias": alias, "watchRef": {"name": alias}, "strategy": {"semver": {}}});
    let images = json!([image("app"), image("side")]);
    world.policy("app", images, json!({})).await;
    world.start_operator();
    world.policy_becomes("app", "Succeeded").await;
    world.kill_operator();

    slow.fault(Fault::Silence(Duration::from_mins(10)), ALWAYS);
    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    world.start_operator();
    world.kustomization_says("newTag: 1.2.0").await;
    last_write_is_the_tip(&world).await;
}

/// Waits until the status of the policy `app` tells of the commit at the tip of `main`.
pub(super) async fn last_write_is_the_tip(world: &World) {
    let tip = world.git.head("env", "main").expect("main has a tip");
    world
        .until(&"the last write of the status", async || {
            let status = world.policy_status("app").await;
            let told = status.last_write.and_then(|write| write.commit);
            if told.as_ref() == Some(&tip) {
                assert_eq!(status.history[0].commit, told);
                Ok(())
            } else {
                Err(format!("{told:?} instead of {tip}"))
            }
        })
        .await;
}
