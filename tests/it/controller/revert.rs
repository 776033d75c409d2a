//! A person takes our change back in git: it stays back, until there is a reason to go on.

use std::time::Duration;

use image_update_operator::api::v1alpha1::ImageState;
use image_update_testkit::registry::Registry;
use serde_json::json;

use super::bad_input::policy_is_as_documented;
use super::main_job::running;
use crate::world::{World, kustomization};

const FILE: &str = "overlays/prod/kustomization.yaml";

/// A world whose policy has written 1.1.0 where 1.0.0 stood.
async fn updated() -> (World, Registry) {
    let (world, registry) = running(&["1.0.0", "1.1.0"], "1.0.0").await;
    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    (world, registry)
}

fn by_hand(world: &World, registry: &Registry, tag: &str) {
    let file = kustomization(&format!("{}/team/app", registry.host()), tag);
    let committed = world
        .git
        .commit("env", "main", &[(FILE, file.as_bytes())], "By hand");
    committed.expect("somebody commits");
}

/// Asks the operator to look, and waits until it has, and has not written.
async fn is_held(world: &World) {
    world.request("ImageUpdatePolicy", "app").await;
    let message = world.policy_becomes("app", "RevertedInGit").await;
    assert!(
        message.starts_with("web: 1.1.0 was taken back in git; held until a newer tag comes"),
        "{message}"
    );
    policy_is_as_documented(world).await;
    let status = world.policy_status("app").await;
    assert_eq!(status.images[0].state, ImageState::Held);
    assert_eq!(status.images[0].current.as_deref(), Some("1.0.0"));
    // And it stays held.
    world.request("ImageUpdatePolicy", "app").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(world.kustomization().contains("newTag: 1.0.0"));
}

async fn newer_tag_goes_on(world: &World, registry: &Registry) {
    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    world.kustomization_says("newTag: 1.2.0").await;
    world.policy_becomes("app", "Succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hand_edit_is_held_until_a_newer_tag_comes() {
    let (world, registry) = updated().await;
    by_hand(&world, &registry, "1.0.0");
    is_held(&world).await;
    newer_tag_goes_on(&world, &registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn git_revert_is_held_across_restarts() {
    let (mut world, registry) = updated().await;
    // What `git revert` makes: the tree of the parent, in a new commit.
    let git = |arguments: &[&str]| world.git.git("env", arguments).expect("git does it");
    let tree = git(&["rev-parse", "main~1^{tree}"]);
    let revert = git(&["commit-tree", &tree, "-p", "main", "-m", "Revert \"build\""]);
    git(&["update-ref", "refs/heads/main", &revert]);
    // Before the operator has looked, and after.
    world.kill_operator();
    world.start_operator();
    is_held(&world).await;
    world.kill_operator();
    world.start_operator();
    is_held(&world).await;
    newer_tag_goes_on(&world, &registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn force_push_to_before_our_commit_is_held_until_released() {
    let (world, _registry) = updated().await;
    let git = |arguments: &[&str]| world.git.git("env", arguments).expect("git does it");
    git(&["update-ref", "refs/heads/main", "main~1"]);
    is_held(&world).await;

    let annotations = json!({"image-update.dev/release": "please"});
    let patch = json!({"metadata": {"annotations": annotations}});
    world.patch("ImageUpdatePolicy", "app", patch).await;

    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    // The same release holds for one revert, not for the next.
    git(&["update-ref", "refs/heads/main", "main~1"]);
    is_held(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_the_spec_lets_it_be_written_again() {
    let (world, registry) = updated().await;
    by_hand(&world, &registry, "1.0.0");
    is_held(&world).await;
    let patch = json!({"spec": {"interval": "31s"}});
    world.patch("ImageUpdatePolicy", "app", patch).await;
    world.kustomization_says("newTag: 1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn change_to_a_newer_tag_by_hand_is_no_revert() {
    let (world, registry) = updated().await;
    by_hand(&world, &registry, "1.5.0");
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "DowngradeRefused").await;
    assert!(world.kustomization().contains("newTag: 1.5.0"));
}

/// Somebody asks for the very tag, by an annotation that changes no spec.
#[tokio::test(flavor = "multi_thread")]
async fn pin_writes_what_was_taken_back_and_what_is_taken_back_later_is_held() {
    let (world, registry) = updated().await;
    by_hand(&world, &registry, "1.0.0");
    is_held(&world).await;
    let annotations = json!({"image-update.dev/pins": r#"{"web": "1.1.0"}"#});
    let patch = json!({"metadata": {"annotations": annotations}});
    world.patch("ImageUpdatePolicy", "app", patch).await;
    world.kustomization_says("newTag: 1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;
    by_hand(&world, &registry, "1.0.0");
    is_held(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn manifest_that_comes_to_a_folder_is_written_and_one_that_is_taken_back_is_held() {
    let (mut world, registry) = World::with_app(&[("README.md", b"\n")]).await;
    world.start_operator();
    let pod = |tag: &str| {
        let image = format!("{}/team/app:{tag}", registry.host());
        format!("kind: Pod\nspec:\n  containers:\n  - image: {image}\n")
    };
    let commit = |path: &str, tag: &str| {
        let committed = world
            .git
            .commit("env", "main", &[(path, pod(tag).as_bytes())], "By hand");
        committed.expect("somebody commits");
    };
    commit("apps/a.yaml", "1.0.0");
    let targets = json!([{"manifests": {"path": "apps"}}]);
    let spec = json!({"writeBack": {"git": {"targets": targets}}});
    let images = super::main_job::semver("app", "*");
    world.policy("app", images, spec).await;
    world.file_becomes("apps/a.yaml", &pod("1.1.0")).await;
    world.policy_becomes("app", "Succeeded").await;

    commit("apps/new.yaml", "1.0.0");
    world.request("ImageUpdatePolicy", "app").await;
    world.file_becomes("apps/new.yaml", &pod("1.1.0")).await;
    world.policy_becomes("app", "Succeeded").await;

    commit("apps/a.yaml", "1.0.0");
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "RevertedInGit").await;
    world.file_becomes("apps/a.yaml", &pod("1.0.0")).await;
    world.file_becomes("apps/new.yaml", &pod("1.1.0")).await;
}
