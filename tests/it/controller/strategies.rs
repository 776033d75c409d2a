//! Each strategy and filter, from the object to the file.

use image_update_testkit::registry::{PushOptions, Registry};
use serde_json::{Value, json};

use crate::world::World;

/// Pushes `tags` to a registry, applies one policy with `image` laid over its image, and waits for
/// `expected` in the file.
async fn check(tags: &[&str], image: Value, expected: &str) -> (World, Registry) {
    let mut world = World::start().await;
    let registry = Registry::start().await.expect("the registry starts");
    for tag in tags {
        registry
            .push("team/app", tag)
            .await
            .expect("the image is pushed");
    }
    world
        .git
        .create_repository(
            "env",
            &[("overlays/prod/kustomization.yaml", b"resources: [a.yaml]\n")],
        )
        .expect("the repository is made");
    world
        .watch(
            "app",
            json!({"image": format!("{}/team/app", registry.host())}),
        )
        .await;
    let mut whole =
        json!({"alias": "web", "watchRef": {"name": "app"}, "kustomize": {"name": "app"}});
    for (key, value) in image.as_object().expect("the row's image is an object") {
        whole[key] = value.clone();
    }
    world.policy("app", json!([whole]), json!({})).await;
    world.start_operator();
    world.kustomization_says(expected).await;
    world.policy_becomes("app", "Succeeded").await;
    (world, registry)
}

#[tokio::test(flavor = "multi_thread")]
async fn semver_with_filters_and_a_skipped_tag() {
    let image = json!({
        "strategy": {"semver": {"constraint": "^1"}},
        "tags": {"allow": r"^\d+\.\d+\.\d+$", "ignore": ["1.3.*"]},
        "skip": ["1.2.9"],
    });
    check(
        &["1.2.8", "1.2.9", "1.3.0", "1.4.0-rc1", "2.0.0"],
        image,
        "newTag: 1.2.8",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alphabetical_takes_the_last_and_writes_new_name_for_another_image() {
    let image = json!({"strategy": {"alphabetical": {}}});
    let (world, registry) = check(&["a", "c", "b"], image, "newTag: c").await;
    let text = world.kustomization();
    let expected = format!(
        "resources: [a.yaml]\nimages:\n- name: app\n  newName: {}/team/app\n  newTag: c\n",
        registry.host()
    );
    assert_eq!(text, expected, "an entry is added when there is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn numerical_orders_what_extract_takes_out() {
    let image = json!({
        "strategy": {"numerical": {}},
        "tags": {"extract": {"pattern": r"^main-[0-9a-f]+-(?P<ts>\d+)$", "value": "$ts"}},
    });
    check(
        &["main-ff-9", "main-0a-10", "other"],
        image,
        "newTag: main-0a-10",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn digest_follows_a_tag_that_moves() {
    let image = json!({"strategy": {"digest": {"tag": "stable"}}});
    let (world, registry) = check(&["stable"], image, "digest: sha256:").await;
    let options = PushOptions {
        content: "second".to_owned(),
        ..PushOptions::default()
    };
    let moved = registry
        .push_image("team/app", "stable", &options)
        .await
        .expect("it is pushed");
    world.request("ImageUpdatePolicy", "app").await;
    world.kustomization_says(&format!("digest: {moved}")).await;
    assert!(world.kustomization().contains("newTag: stable"));
}

#[tokio::test(flavor = "multi_thread")]
async fn if_not_present_resolves_a_digest_once_per_tag() {
    let image = json!({"strategy": {"semver": {}}, "digestPolicy": "IfNotPresent"});
    let (world, registry) = check(&["1.0.0"], image, "digest: sha256:").await;
    let before = world.kustomization();
    let options = PushOptions {
        content: "moved".to_owned(),
        ..PushOptions::default()
    };
    registry
        .push_image("team/app", "1.0.0", &options)
        .await
        .expect("it is pushed");
    let second = registry
        .push("team/app", "1.1.0")
        .await
        .expect("it is pushed");
    assert!(!before.contains(&second));
    world.request("ImageWatch", "app").await;
    world.kustomization_says(&format!("digest: {second}")).await;
    assert_eq!(
        world.commits().len(),
        2,
        "the moved tag alone was no reason for a commit"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pin_stops_the_selection_at_one_tag() {
    let image = json!({"strategy": {"semver": {}}, "pin": "1.0.0"});
    check(&["1.0.0", "1.1.0"], image, "newTag: 1.0.0").await;
}
