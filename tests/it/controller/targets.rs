//! Each kind of file that a policy writes to, from the object to the bytes.

use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use crate::world::{World, until};

const VALUES: &str = "\
# Ours.
image:
    repository: app.example/team/app   # moved last year
    tag: \"1.0.0\"
sidecars:
- name: proxy
  image: 'app.example/team/app:1.0.0'
";

/// A world with one registry that has 1.0.0 and 1.1.0, a watch of it, and `files` in git.
async fn world(files: &[(&str, &[u8])]) -> (World, Registry) {
    let mut world = World::start().await;
    let registry = Registry::start().await.expect("the registry starts");
    for tag in ["1.0.0", "1.1.0"] {
        registry
            .push("team/app", tag)
            .await
            .expect("the image is pushed");
    }
    world
        .git
        .create_repository("env", files)
        .expect("the repository is made");
    let image = format!("{}/team/app", registry.host());
    world.watch("app", json!({"image": image})).await;
    world.start_operator();
    (world, registry)
}

fn image(alias: &str, helm: &Value) -> Value {
    json!({
        "alias": alias,
        "watchRef": {"name": "app"},
        "strategy": {"semver": {}},
        "helm": helm,
    })
}

async fn values_become(world: &World, path: &str, expected: &str) {
    until(
        &"the values in git",
        || world.logs(),
        async || {
            let file = world
                .git
                .show("env", "main", path)
                .expect("the file is in git");
            let text = String::from_utf8(file).expect("the file is text");
            if text == expected { Ok(()) } else { Err(text) }
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn helm_values_change_at_the_keys_of_each_image_and_nowhere_else() {
    let (world, registry) = world(&[("apps/shop/values.yaml", VALUES.as_bytes())]).await;
    let images = json!([
        image(
            "web",
            &json!({"name": "image.repository", "tag": "image.tag"})
        ),
        image("proxy", &json!({"spec": "sidecars[0].image"})),
    ]);
    let targets = json!([{"helmValues": {"path": "apps/shop/values.yaml"}}]);
    let spec = json!({"writeBack": {"git": {"targets": targets}}});
    world.policy("app", images, spec).await;

    let name = format!("{}/team/app", registry.host());
    let expected = VALUES
        .replace("app.example/team/app", &name)
        .replace("1.0.0", "1.1.0");
    values_become(&world, "apps/shop/values.yaml", &expected).await;
    world.policy_becomes("app", "Succeeded").await;
    let commits = world.commits();
    assert_eq!(commits.len(), 1, "{commits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_values_file_that_is_not_there_is_named() {
    let (world, _registry) = world(&[("README.md", b"\n")]).await;
    let images = json!([image("web", &json!({"tag": "image.tag"}))]);
    let targets = json!([{"helmValues": {"path": "apps/values.yaml"}}]);
    let spec = json!({"writeBack": {"git": {"targets": targets}}});
    world.policy("app", images, spec).await;
    let message = world.policy_becomes("app", "TargetNotFound").await;
    assert!(
        message.contains("apps/values.yaml holds no values file"),
        "{message}"
    );
    assert_eq!(world.commits().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newer_of_two_policies_for_one_key_is_in_conflict_and_others_are_not() {
    let (world, _registry) = world(&[("values.yaml", b"a: {tag: 1.0.0}\nb: {tag: 1.0.0}\n")]).await;
    let targets = json!([{"helmValues": {"path": "values.yaml"}}]);
    let spec = json!({"writeBack": {"git": {"targets": targets}}});
    for (name, key) in [("first", "a.tag"), ("other", "b.tag")] {
        let images = json!([image("web", &json!({"tag": key}))]);
        world.policy(name, images, spec.clone()).await;
        world.policy_becomes(name, "Succeeded").await;
    }
    // Ages have whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let images = json!([image("web", &json!({"tag": "a.tag"}))]);
    world.policy("second", images, spec).await;
    let message = world.policy_becomes("second", "Conflict").await;
    assert!(
        message.contains("first") && message.contains("a.tag"),
        "{message}"
    );
    values_become(&world, "values.yaml", "a: {tag: 1.1.0}\nb: {tag: 1.1.0}\n").await;
}
