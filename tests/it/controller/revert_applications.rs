//! A person takes back what was written for one Application of many: it stays back there, and only
//! there, until there is a reason to go on.

use std::time::Duration;

use image_update_operator::api::v1alpha1::{ImageState, ImageUpdatePolicyStatus, Reason};
use image_update_testkit::registry::Registry;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::applications::{
    application, applications, git, parameter, parameters, policy, world as started,
};
use super::bad_input::policy_is_as_documented;
use crate::world::World;

fn path(name: &str) -> String {
    format!("{name}/kustomization.yaml")
}

fn file(tag: &str) -> String {
    format!("images:\n- name: app\n  newTag: {tag}\n")
}

/// What the operator makes of a file.
fn written(registry: &Registry, tag: &str) -> String {
    let image = format!("{}/team/app", registry.host());
    format!("images:\n- name: app\n  newTag: {tag}\n  newName: {image}\n")
}

async fn shop(world: &World, name: &str) {
    let source = json!({"source": {
        "repoURL": world.git.url("env"), "path": name, "targetRevision": "main",
    }});
    application(world, name, &source, &json!({"sourceType": "Kustomize"})).await;
}

/// A world whose policy has written 1.1.0 for the Applications a and b, where 1.0.0 stood.
async fn updated() -> (World, Registry) {
    let old = file("1.0.0");
    let (a, b) = (path("a"), path("b"));
    let (world, registry) =
        started(&[(a.as_str(), old.as_bytes()), (b.as_str(), old.as_bytes())]).await;
    for name in ["a", "b"] {
        shop(&world, name).await;
    }
    let targets = git(&json!([{"kustomization": {"path": "."}}]));
    policy(&world, json!([{"name": "*"}]), targets).await;
    for name in ["a", "b"] {
        world
            .file_becomes(&path(name), &written(&registry, "1.1.0"))
            .await;
    }
    world.policy_becomes("app", "Succeeded").await;
    (world, registry)
}

fn by_hand(world: &World, name: &str, content: &str) {
    let committed = world.git.commit(
        "env",
        "main",
        &[(&path(name), content.as_bytes())],
        "By hand",
    );
    committed.expect("somebody commits");
}

/// Asks the operator to look, and waits until it holds as many Applications, of which it names the
/// first.
async fn holds(world: &World, count: u32, reason: Reason) -> ImageUpdatePolicyStatus {
    world.request("ImageUpdatePolicy", "app").await;
    let held = async || {
        let status = world.policy_status("app").await;
        let found = status.applications.map(|counts| counts.held);
        if found == Some(count) {
            Ok(status)
        } else {
            Err(format!("{found:?}"))
        }
    };
    let status = world.until(&"what is held", held).await;
    policy_is_as_documented(world).await;
    let named = status
        .attention
        .first()
        .expect("what is held is listed first");
    assert_eq!((named.state, named.reason), (ImageState::Held, reason));
    assert_eq!(named.tag.as_deref(), Some("1.1.0"));
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_several_applications_is_held_and_the_others_go_on() {
    let (mut world, registry) = updated().await;
    let namespace = world.namespace.clone();
    by_hand(&world, "a", &file("1.0.0"));
    let status = holds(&world, 1, Reason::RevertedInGit).await;
    assert_eq!(status.attention[0].application, format!("{namespace}/a"));
    assert_eq!(status.applications.map(|it| it.up_to_date), Some(1));

    // One that is new holds an old value, too, but nobody took anything back there.
    by_hand(&world, "c", &file("1.0.0"));
    shop(&world, "c").await;
    let new = written(&registry, "1.1.0");
    world.file_becomes(&path("c"), &new).await;
    holds(&world, 1, Reason::RevertedInGit).await;

    // The evidence of the first outlives commits for others, another revert and a restart.
    by_hand(&world, "c", &file("1.0.0"));
    holds(&world, 2, Reason::RevertedInGit).await;
    world.kill_operator();
    world.start_operator();
    holds(&world, 2, Reason::RevertedInGit).await;
    for (name, content) in [("a", &file("1.0.0")), ("b", &new), ("c", &file("1.0.0"))] {
        world.file_becomes(&path(name), content).await;
    }

    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    for name in ["a", "b", "c"] {
        world
            .file_becomes(&path(name), &written(&registry, "1.2.0"))
            .await;
    }
    world.policy_becomes("app", "Succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn force_push_to_before_our_commit_holds_all_until_released() {
    let (world, registry) = updated().await;
    let git = |arguments: &[&str]| world.git.git("env", arguments).expect("git does it");
    git(&["update-ref", "refs/heads/main", "main~1"]);
    holds(&world, 2, Reason::RevertedInGit).await;

    let annotations = json!({"image-update.dev/release": "please"});
    let patch = json!({"metadata": {"annotations": annotations}});
    world.patch("ImageUpdatePolicy", "app", patch).await;
    for name in ["a", "b"] {
        world
            .file_becomes(&path(name), &written(&registry, "1.1.0"))
            .await;
    }
    world.policy_becomes("app", "Succeeded").await;
    // The same release holds for one revert, not for the next.
    git(&["update-ref", "refs/heads/main", "main~1"]);
    holds(&world, 2, Reason::RevertedInGit).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn parameters_that_a_person_takes_back_are_held_until_a_newer_tag_or_a_release() {
    let (mut world, registry) = started(&[("README.md", b"\n")]).await;
    let status = json!({"sourceType": "Helm"});
    for name in ["a", "b"] {
        application(&world, name, &parameter("1.0.0"), &status).await;
    }
    policy(&world, json!([{"name": "*"}]), json!({"argocd": {}})).await;
    says(&world, "a", "1.1.0").await;
    says(&world, "b", "1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;

    take_back(&world, "a").await;
    let held = holds(&world, 1, Reason::RevertedInApplication).await;
    let message = &held.attention[0].message;
    assert!(
        message.starts_with("1.1.0 was taken back in the Application; held until"),
        "{message}"
    );
    world.kill_operator();
    world.start_operator();
    holds(&world, 1, Reason::RevertedInApplication).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    says(&world, "a", "1.0.0").await;

    let annotations = json!({"image-update.dev/release": "please"});
    let patch = json!({"metadata": {"annotations": annotations}});
    world.patch("ImageUpdatePolicy", "app", patch).await;
    says(&world, "a", "1.1.0").await;
    world.policy_becomes("app", "Succeeded").await;

    take_back(&world, "b").await;
    holds(&world, 1, Reason::RevertedInApplication).await;
    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    world.request("ImageWatch", "app").await;
    says(&world, "a", "1.2.0").await;
    says(&world, "b", "1.2.0").await;
}

async fn take_back(world: &World, name: &str) {
    let patch = Patch::Merge(json!({"spec": parameter("1.0.0")}));
    let patched = applications(world)
        .patch(name, &PatchParams::default(), &patch)
        .await;
    patched.expect("somebody changes the parameter");
}

/// Waits until the Application's parameter is the tag.
async fn says(world: &World, name: &str, tag: &str) {
    let is_there = async || {
        let found = parameters(world, name).await?[0]["value"].clone();
        if found == tag {
            Ok(())
        } else {
            Err(found.to_string())
        }
    };
    world.until(&format!("{name} with {tag}"), is_there).await;
}
