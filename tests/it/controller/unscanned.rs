//! Watches whose tags are those of another repository: what their policies do.

use image_update_testkit::process::free_port;
use image_update_testkit::recorder::Recorder;
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

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
    recorder.forget();

    let port = free_port().expect("there is a free port");
    let elsewhere = format!("127.0.0.1:{port}/team/app");
    world.watch("app", watch(&elsewhere)).await;
    world.watch_becomes("app", "RegistryUnavailable").await;
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
