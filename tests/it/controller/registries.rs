//! The operator with a file about registries: credentials for objects that name none, and a file
//! that changes while it runs.

use std::fs;

use image_update_testkit::registry::Registry;
use serde_json::json;

use crate::world::World;

const USER: &str = "robot";
const PASSWORD: &str = "registry-pa55word-never-shown";

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_of_the_file_serves_who_names_none_and_a_changed_file_is_read() {
    let mut world = World::start().await;
    let registry = Registry::builder().htpasswd(USER, PASSWORD).start().await;
    let registry = registry.expect("the registry starts");
    for tag in ["1.0.0", "1.1.0"] {
        let pushed = registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
    }
    let kustomization = (
        "overlays/prod/kustomization.yaml",
        b"resources: []\n" as &[u8],
    );
    let made = world.git.create_repository("env", &[kustomization]);
    made.expect("the repository is made");
    let pair = format!("{USER}:{PASSWORD}");
    world.secret("registry", None, &[("pair", &pair)]).await;

    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("registries.conf");
    let conf = |field: &str| {
        let (host, namespace) = (registry.host(), &world.namespace);
        format!(
            "registries:\n- name: ours\n  prefix: {host}\n  api_url: http://{host}\n  credentials: secret:{namespace}/registry#{field}\n"
        )
    };
    fs::write(&path, conf("no")).expect("the file can be written");
    let right = conf("pair");
    world.flag(&format!("--registries-conf-path={}", path.display()));
    let image = format!("{}/team/app", registry.host());
    world.watch("app", json!({"image": image})).await;
    let images = json!([
        {"alias": "web", "watchRef": {"name": "app"}, "kustomize": {"name": "app"}, "strategy": {"semver": {}}},
        {"alias": "inline", "image": image, "kustomize": {"name": "inline"}, "strategy": {"semver": {"constraint": "1.0.x"}}},
    ]);
    world.policy("app", images, json!({})).await;
    world.start_operator();

    let message = world.watch_becomes("app", "InvalidSecret").await;
    assert!(
        message.contains("registries.conf names for ours"),
        "{message}"
    );
    assert!(!message.contains("pair"), "{message}");

    fs::write(&path, right).expect("the file can be written");
    world.policy_becomes("app", "Succeeded").await;
    let written = world.kustomization();
    assert!(
        written.contains("newTag: 1.1.0") && written.contains("newTag: 1.0.0"),
        "{written}"
    );
    assert!(!world.logs().contains(PASSWORD));
}
