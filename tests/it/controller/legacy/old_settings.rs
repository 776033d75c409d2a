//! Variables of the old updater's Deployment: taken where they mean something, else told.

use image_update_operator::api::v1alpha1::ImageWatch;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use super::{PREFIX, applications_of, with_kustomizations};
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
        (
            "GIT_COMMIT_MESSAGE_TEMPLATE",
            "fix\n{{range .AppChanges}}{{.Labels}}{{end}}",
        ),
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
    check(
        &logs,
        "GIT_COMMIT_SIGNING_KEY",
        "--git-commit-signing-secret names it",
    );
    check(
        &logs,
        "GIT_COMMIT_MESSAGE_TEMPLATE",
        "--git-commit-message takes no such value: line 2, column 24: no field `Labels`",
    );
    assert!(!logs.contains("never-shown"), "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_are_of_whom_and_say_what_the_old_settings_said() {
    let mut legacy = with_kustomizations(&["app"]).await;
    for (variable, value) in [
        ("GIT_COMMIT_USER", "Release Robot"),
        ("GIT_COMMIT_EMAIL", "robot@example.org"),
        ("GIT_COMMIT_SIGN_OFF", "true"),
        (
            "GIT_COMMIT_MESSAGE_TEMPLATE",
            "fix({{.AppName}}): {{range .AppChanges}}{{.OldTag}} to {{.NewTag}}{{end}}\n\nBy hand.\n",
        ),
    ] {
        legacy.world.environment(variable, value);
    }
    legacy.kustomized("app", &[]).await;
    legacy.world.start_operator();
    legacy.tag_becomes("app", "1.1.0").await;
    let log = legacy.world.git.log("env", "main").expect("there is a log");
    assert_eq!(log[0].author, "Release Robot <robot@example.org>");
    assert_eq!(log[0].subject, "fix(app): 1.0.0 to 1.1.0");
    assert_eq!(
        log[0].body.trim_end(),
        "By hand.\n\nSigned-off-by: Release Robot <robot@example.org>"
    );
    let policy = legacy.policy("app").await.expect("it is there");
    let git = policy.spec.write_back.git.expect("it is written to git");
    assert!(git.commit.is_some_and(|commit| commit.sign_off));
}
