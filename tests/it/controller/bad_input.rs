//! Everything that can be wrong outside of the operator: each has a reason of its own, nothing is
//! written, and no credential is shown.

use image_update_testkit::faulty_registry::{Fault, FaultyRegistry};
use image_update_testkit::git_server::Entry;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::main_job::semver;
use crate::world::{GIT_PASSWORD, GIT_USER, World, kustomization};

/// The password of the registry; no status, event or log may ever hold it.
const REGISTRY_PASSWORD: &str = "registry-pa55word-never-shown";

/// A world whose only fault is what a test adds to it.
async fn sound() -> (World, FaultyRegistry) {
    let world = World::start().await;
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.set_tags("team/app", ["1.0.0".to_owned()]);
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, "0.9.0");
    world
        .git
        .create_repository(
            "env",
            &[("overlays/prod/kustomization.yaml", file.as_bytes())],
        )
        .expect("the repository is made");
    let credential = [("username", "robot"), ("password", REGISTRY_PASSWORD)];
    world.secret("registry", None, &credential).await;
    world
        .watch(
            "app",
            json!({"image": image, "secretRef": {"name": "registry"}}),
        )
        .await;
    (world, registry)
}

/// Runs the operator until the policy has `reason` and a message with `words`; then nothing may
/// have been written to git, and no password may have been shown.
async fn policy_is_refused(mut world: World, spec: Value, reason: &str, words: &str) {
    let before = world.git.head("env", "main").ok();
    world.policy("app", semver("app", "*"), spec).await;
    world.start_operator();
    let message = world.policy_becomes("app", reason).await;
    assert!(
        message.contains(words),
        "{message:?} does not say {words:?}"
    );
    assert_eq!(
        world.git.head("env", "main").ok(),
        before,
        "nothing is written"
    );
    policy_is_as_documented(&world).await;
    shows_no_password(&world).await;
}

/// The same for the watch.
async fn watch_is_refused(mut world: World, reason: &str, words: &str) {
    world.start_operator();
    let message = world.watch_becomes("app", reason).await;
    assert!(
        message.contains(words),
        "{message:?} does not say {words:?}"
    );
    watch_is_as_documented(&world).await;
    shows_no_password(&world).await;
}

/// What the policy's conditions say is what the page of its kind says of the reason.
pub(super) async fn policy_is_as_documented(world: &World) {
    let page = include_str!("../../../docs/spec/imageupdatepolicy.md");
    as_documented(page, &world.policy_status("app").await.conditions);
}

async fn watch_is_as_documented(world: &World) {
    let page = include_str!("../../../docs/spec/imagewatch.md");
    as_documented(page, &world.watch_status("app").await.conditions);
}

/// The page of the kind says of the reason of `Ready` whether it is tried again, stalled, or
/// neither, and the conditions say the same.
#[track_caller]
fn as_documented(page: &str, conditions: &[Condition]) {
    let ready = conditions.iter().find(|it| it.type_ == "Ready");
    let ready = ready.expect("Ready is always there");
    assert_eq!(ready.status, "False");
    let start = format!("| `{}` |", ready.reason);
    let row = page.lines().find(|line| line.starts_with(&start));
    let row = row.expect("the page has a row for each reason");
    let does = row.split(" | ").nth(2).expect("a row has four cells");
    for other in ["Reconciling", "Stalled"] {
        let is_true = conditions
            .iter()
            .any(|it| it.type_ == other && it.status == "True");
        assert_eq!(
            does.starts_with(&format!("`{other}`")),
            is_true,
            "the page says of {}: {does}; the conditions are {conditions:?}",
            ready.reason
        );
    }
}

async fn shows_no_password(world: &World) {
    let events = world
        .api::<Event>()
        .list(&ListParams::default())
        .await
        .expect("events are there");
    let policy = world.api::<image_update_operator::api::v1alpha1::ImageUpdatePolicy>();
    let policies = policy
        .list(&ListParams::default())
        .await
        .expect("policies are there");
    let watch = world.api::<image_update_operator::api::v1alpha1::ImageWatch>();
    let watches = watch
        .list(&ListParams::default())
        .await
        .expect("watches are there");
    let shown = format!("{events:?}{policies:?}{watches:?}{}", world.logs());
    for password in [GIT_PASSWORD, REGISTRY_PASSWORD] {
        assert!(!shown.contains(password), "a password is shown");
    }
}

fn git(over: &Value) -> Value {
    json!({"writeBack": {"git": over}})
}

// ---- what a policy names --------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_git_secret() {
    let (world, _registry) = sound().await;
    let spec = git(&json!({"credentials": {"secretRef": {"name": "nowhere"}}}));
    policy_is_refused(world, spec, "SecretNotFound", "Secret nowhere is not there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_of_another_namespace() {
    let (world, _registry) = sound().await;
    let other = World::start().await;
    let ca = world.git.ca_pem().expect("the git server has TLS");
    let credential = [
        ("username", GIT_USER),
        ("password", GIT_PASSWORD),
        ("ca.crt", ca),
    ];
    other.secret("elsewhere", None, &credential).await;
    let spec = git(&json!({"credentials": {"secretRef": {"name": "elsewhere"}}}));
    policy_is_refused(world, spec, "SecretNotFound", "Secret elsewhere is not").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_git_secret_without_a_password() {
    let (world, _registry) = sound().await;
    world.secret("half", None, &[("username", "robot")]).await;
    let spec = git(&json!({"credentials": {"secretRef": {"name": "half"}}}));
    let words = "it has username and not password";
    policy_is_refused(world, spec, "InvalidSecret", words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_git_password() {
    let (world, _registry) = sound().await;
    let ca = world
        .git
        .ca_pem()
        .expect("the git server has TLS")
        .to_owned();
    world
        .secret(
            "git",
            None,
            &[
                ("username", GIT_USER),
                ("password", "wrong"),
                ("ca.crt", &ca),
            ],
        )
        .await;
    policy_is_refused(world, json!({}), "GitUnauthorized", "401").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_git_server_nobody_vouches_for() {
    let (world, _registry) = sound().await;
    world
        .secret(
            "git",
            None,
            &[("username", GIT_USER), ("password", GIT_PASSWORD)],
        )
        .await;
    policy_is_refused(
        world,
        json!({}),
        "GitCertificateInvalid",
        "secure connection",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_git_repository_that_is_not_there() {
    let (world, _registry) = sound().await;
    let spec = git(&json!({"repository": world.git.url("nowhere")}));
    policy_is_refused(world, spec, "GitRepositoryNotFound", "404").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_not_there() {
    let (world, _registry) = sound().await;
    let spec = git(&json!({"branch": "mian"}));
    policy_is_refused(world, spec, "BranchNotFound", "mian").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_not_there() {
    let (world, _registry) = sound().await;
    let spec = git(&json!({"targets": [{"kustomization": {"path": "overlays/dev"}}]}));
    policy_is_refused(world, spec, "TargetNotFound", "overlays/dev").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_yaml() {
    let (world, _registry) = sound().await;
    let path = "overlays/prod/kustomization.yaml";
    let text = b"images: [\n\tnot yaml".as_slice();
    world
        .git
        .commit("env", "main", &[(path, text)], "Break it")
        .expect("it is committed");
    policy_is_refused(world, json!({}), "InvalidTarget", path).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_through_a_symlink() {
    let (world, _registry) = sound().await;
    let entries = [Entry::Symlink("link", "overlays/prod")];
    world
        .git
        .commit_entries("env", "main", &entries, "Link")
        .expect("it is committed");
    let spec = git(&json!({"targets": [{"kustomization": {"path": "link"}}]}));
    policy_is_refused(world, spec, "UnsafePath", "symbolic link").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_protected_branch() {
    let (world, _registry) = sound().await;
    let hook = "#!/bin/sh\necho 'GH006: protected branch, open a pull request' >&2\nexit 1\n";
    world
        .git
        .install_hook("env", "pre-receive", hook)
        .expect("the hook is installed");
    policy_is_refused(world, json!({}), "PushRejected", "open a pull request").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_constraint_that_is_none() {
    let (mut world, _registry) = sound().await;
    world
        .policy("app", semver("app", "latest"), json!({}))
        .await;
    world.start_operator();
    let message = world.policy_becomes("app", "InvalidSpec").await;
    assert!(
        message.contains("spec.images[0].strategy.semver.constraint"),
        "{message}"
    );
    let status = world.policy_status("app").await;
    let stalled = status
        .conditions
        .iter()
        .any(|c| c.type_ == "Stalled" && c.status == "True");
    assert!(stalled, "a bad spec is not tried again");
    policy_is_as_documented(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tag_filtered_out() {
    let (mut world, _registry) = sound().await;
    world.policy("app", semver("app", ">=7"), json!({})).await;
    world.start_operator();
    world.policy_becomes("app", "NoCandidate").await;
    policy_is_as_documented(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_is_not_there_until_it_is() {
    let (mut world, registry) = sound().await;
    world.policy("app", semver("late", "*"), json!({})).await;
    world.start_operator();
    let message = world.policy_becomes("app", "WatchNotFound").await;
    assert!(message.contains("late"), "{message}");
    policy_is_as_documented(&world).await;
    world
        .watch(
            "late",
            json!({"image": format!("{}/team/app", registry.host())}),
        )
        .await;
    world.kustomization_says("newTag: 1.0.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_not_allowed() {
    let (mut world, _registry) = sound().await;
    world.flag("--allowed-hosts=ghcr.io,*.example.com");
    policy_is_refused(world, json!({}), "HostNotAllowed", "--allowed-hosts").await;
}

// ---- what a watch names ---------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_registry_secret() {
    let (world, _registry) = sound().await;
    let spec = json!({"spec": {"secretRef": {"name": "nowhere"}}});
    world.patch("ImageWatch", "app", spec).await;
    watch_is_refused(world, "SecretNotFound", "Secret nowhere is not there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_registry_secret() {
    let (world, _registry) = sound().await;
    let broken = [(
        ".dockerconfigjson",
        r#"{"auths": {"a": {"auth": "registry-pa55word"}}}"#,
    )];
    world
        .secret("registry", Some("kubernetes.io/dockerconfigjson"), &broken)
        .await;
    watch_is_refused(world, "InvalidSecret", "Secret registry").await;
}

/// A fault of the registry becomes a reason, and goes away with the fault.
async fn registry_fault(fault: Fault, reason: &str, words: &str) {
    let (mut world, registry) = sound().await;
    registry.fault(fault, 1_000);
    world.policy("app", semver("app", "*"), json!({})).await;
    world.start_operator();
    let message = world.watch_becomes("app", reason).await;
    assert!(
        message.contains(words),
        "{message:?} does not say {words:?}"
    );
    watch_is_as_documented(&world).await;
    let message = world.policy_becomes("app", "WatchNotReady").await;
    assert!(message.contains("ImageWatch app"), "{message}");
    policy_is_as_documented(&world).await;
    assert!(
        world.kustomization().contains("0.9.0"),
        "nothing is written"
    );
    shows_no_password(&world).await;

    registry.clear_faults();
    world.request("ImageWatch", "app").await;
    world.kustomization_says("newTag: 1.0.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_refuses_the_credential() {
    registry_fault(Fault::status(401), "RegistryUnauthorized", "team/app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_forbids() {
    registry_fault(Fault::status(403), "RegistryForbidden", "forbidden").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_the_registry_does_not_have() {
    registry_fault(
        Fault::status(404),
        "RepositoryNotFound",
        "no such repository",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_asked_too_often() {
    registry_fault(
        Fault::too_many_requests(Some("1")),
        "RegistryRateLimited",
        "rate limit",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_fails() {
    registry_fault(Fault::status(503), "RegistryUnavailable", "503").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_is_cut_short() {
    registry_fault(Fault::TruncatedJson, "RegistryInvalidResponse", "team/app").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_registry_keeps_the_last_good_list() {
    let (mut world, registry) = sound().await;
    world.policy("app", semver("app", "*"), json!({})).await;
    world.start_operator();
    world.kustomization_says("newTag: 1.0.0").await;
    registry.fault(Fault::TruncatedJson, 1_000);
    world.request("ImageWatch", "app").await;
    world.watch_becomes("app", "RegistryInvalidResponse").await;
    let status = world.watch_status("app").await;
    assert_eq!(status.last_scan.map(|scan| scan.tags), Some(1));
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "Succeeded").await;
}
