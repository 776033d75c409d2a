//! Variables of the old updater's Deployment: taken where they mean something, else told.

use image_update_operator::api::v1alpha1::ImageWatch;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::{PREFIX, applications_of};
use crate::world::World;

/// What `run` says of each variable that is there.
#[track_caller]
fn check(logs: &str, variable: &str, expected: &str) {
    let is_told = logs
        .lines()
        .any(|line| line.contains(variable) && line.contains(expected));
    assert!(is_told, "{variable}: {expected}\n{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_environment_said_is_taken_or_told() {
    let mut world = World::start().await;
    let flag = format!("--argocd-namespace={}", world.namespace);
    world.flag(&flag);
    for (variable, value) in [
        ("IMAGE_UPDATER_INTERVAL", "17s"),
        ("ARGOCD_NAMESPACE", "elsewhere"),
        ("max_concurrent_apps", "0"),
        ("GIT_COMMIT_SIGNING_KEY", "never-shown"),
    ] {
        world.environment(variable, value);
    }
    let annotations = json!({format!("{PREFIX}image-list"): "registry.invalid/app"});
    let object = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Application",
        "metadata": {"name": "app", "annotations": annotations},
        "spec": {
            "project": "default",
            "destination": {"server": "x", "namespace": "y"},
            "source": {"repoURL": "https://git.example/env.git", "path": "app"},
        },
    });
    let applied = applications_of(&world.kube, &world.namespace)
        .patch("app", &PatchParams::apply("test"), &Patch::Apply(&object))
        .await;
    applied.expect("the API server takes the Application");
    world.start_operator();

    let probe = async || {
        let watches = world.api::<ImageWatch>().list(&ListParams::default()).await;
        let mut watches = watches.map_err(|error| error.to_string())?.items;
        watches.pop().ok_or_else(|| "no watch".to_owned())
    };
    let watch = world.until(&"the watch", probe).await;
    assert_eq!(watch.spec.interval, "17s");
    let logs = world.logs();
    check(&logs, "IMAGE_UPDATER_INTERVAL", "is taken as --interval");
    check(
        &logs,
        "ARGOCD_NAMESPACE",
        "ignored: --argocd-namespace is set",
    );
    check(
        &logs,
        "max_concurrent_apps",
        "--concurrency takes no such value",
    );
    check(&logs, "GIT_COMMIT_SIGNING_KEY", "policies say it");
    assert!(!logs.contains("never-shown"), "{logs}");
}
