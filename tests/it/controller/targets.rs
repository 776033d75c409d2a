//! Each kind of file that a policy writes to, from the object to the bytes.

use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use crate::world::World;

const VALUES: &str = "\
# Ours.
image:
    repository: app.example/team/app   # moved last year
    tag: \"1.0.0\"
sidecars:
- name: proxy
  image: 'app.example/team/app:1.0.0'
";

/// See [`World::with_app`]; with an operator.
async fn world(files: &[(&str, &[u8])]) -> (World, Registry) {
    let (mut world, registry) = World::with_app(files).await;
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
    world.file_becomes("apps/shop/values.yaml", &expected).await;
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
    world
        .file_becomes("values.yaml", "a: {tag: 1.1.0}\nb: {tag: 1.1.0}\n")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_manifest_of_a_folder_that_runs_the_image_is_written_in_one_commit() {
    let registry = Registry::start().await.expect("the registry starts");
    for tag in ["1.0.0", "1.1.0"] {
        let pushed = registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
    }
    let image = format!("{}/team/app", registry.host());
    let deployment = format!(
        "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: {image}:1.0.0  # ours\n"
    );
    let marked = "tag: 1.0.0 # {\"$imagepolicy\": \"NAMESPACE:app:tag\"}\nother: 1.0.0\n";
    let mut world = World::start().await;
    let marked = marked.replace("NAMESPACE", &world.namespace);
    let made = world.git.create_repository(
        "env",
        &[
            ("apps/a/web.yaml", deployment.as_bytes()),
            ("apps/b/deep/worker.yml", deployment.as_bytes()),
            ("apps/notes.txt", deployment.as_bytes()),
            ("elsewhere/web.yaml", deployment.as_bytes()),
            ("marked/values.yaml", marked.as_bytes()),
        ],
    );
    made.expect("the repository is made");
    world.watch("app", json!({"image": image})).await;
    world.start_operator();
    let images = json!([{"alias": "web", "watchRef": {"name": "app"}, "strategy": {"semver": {}}}]);
    let targets = json!([
        {"manifests": {"path": "apps"}},
        {"manifests": {"path": "marked", "images": "Marked"}},
    ]);
    let spec = json!({"writeBack": {"git": {"targets": targets}}});
    world.policy("app", images, spec).await;
    world.policy_becomes("app", "Succeeded").await;

    let new = deployment.replace("1.0.0", "1.1.0");
    world.file_becomes("apps/a/web.yaml", &new).await;
    world.file_becomes("apps/b/deep/worker.yml", &new).await;
    let new = marked.replacen("1.0.0", "1.1.0", 1);
    world.file_becomes("marked/values.yaml", &new).await;
    for untouched in ["apps/notes.txt", "elsewhere/web.yaml"] {
        world.file_becomes(untouched, &deployment).await;
    }
    assert_eq!(world.commits().len(), 1);
}
