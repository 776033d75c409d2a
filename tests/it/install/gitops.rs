//! Objects that a GitOps tool keeps as git says: it and the operator never touch each other's fields.
//!
//! kubectl is the tool, with the calls that tools make: server-side apply, diff, wait.

use std::process::Output;

use image_update_testkit::registry::Registry;
use image_update_testkit::stack::Assets;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DynamicObject};
use serde_json::{Value, json};

use super::render::{NAMESPACE, command, project, rendered, the};
use crate::gitops::health_check;
use crate::world::{World, kustomization, resource};

/// Who applies what is in git.
const TOOL: &str = "--field-manager=gitops-tool";

const FILE: &str = "overlays/prod/kustomization.yaml";

fn kubectl(world: &World, arguments: &[&str]) -> Output {
    let kubectl = Assets::locate().and_then(|assets| assets.kubectl());
    command(&kubectl.expect("the stack is built"))
        .args(["--namespace", &world.namespace])
        .args(arguments)
        .env("KUBECONFIG", world.server.kubeconfig())
        .output()
        .expect("kubectl runs")
}

#[track_caller]
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{problem}");
    text
}

/// Runs our own command line.
#[track_caller]
fn ours(world: &World, arguments: &[&str]) {
    let output = command(env!("CARGO_BIN_EXE_image-update-operator").as_ref())
        .args(arguments)
        .args(["--namespace", &world.namespace])
        .env("KUBECONFIG", world.server.kubeconfig())
        .output();
    said(&output.expect("our program runs"));
}

/// Who owns which of the top fields of an object, as `manager: field field`.
async fn owners(world: &World, kind: &str, name: &str) -> Vec<String> {
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.kube.clone(), &world.namespace, &resource(kind));
    let object = api.get(name).await.expect("the object is there");
    let entries = object.metadata.managed_fields.into_iter().flatten();
    let mut owners: Vec<String> = entries
        .map(|entry| {
            let fields = entry.fields_v1.map(|fields| fields.0).unwrap_or_default();
            let mut names = Vec::new();
            for (field, below) in fields.as_object().into_iter().flatten() {
                if field == "f:metadata" {
                    names.extend(
                        below
                            .as_object()
                            .into_iter()
                            .flatten()
                            .map(|(name, _)| name),
                    );
                } else {
                    names.push(field);
                }
            }
            let names: Vec<&str> = names.iter().map(|it| it.trim_start_matches("f:")).collect();
            format!("{}: {}", entry.manager.unwrap_or_default(), names.join(" "))
        })
        .collect();
    owners.sort_unstable();
    owners
}

/// What is in git: a watch and a policy with labels, as a file.
fn manifests(world: &World, image: &str) -> Value {
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": "app", "labels": {"team": "a"}},
            "spec": spec,
        })
    };
    let watch = json!({"image": image, "insecure": true, "interval": "10s"});
    let policy = json!({
        "images": [{
            "alias": "web", "watchRef": {"name": "app"}, "strategy": {"semver": {}},
        }],
        "writeBack": {"git": {
            "repository": world.git.url("env"),
            "branch": "main",
            "credentials": {"secretRef": {"name": "git"}},
            "targets": [{"kustomization": {"path": "overlays/prod"}}],
        }},
    });
    json!({
        "apiVersion": "v1",
        "kind": "List",
        "items": [object("ImageWatch", watch), object("ImageUpdatePolicy", policy)],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gitops_tool_and_the_operator_never_fight_over_fields() {
    let mut world = World::start().await;
    let registry = Registry::start().await.expect("the registry starts");
    for tag in ["1.0.0", "1.1.0"] {
        let pushed = registry.push("team/app", tag).await;
        pushed.expect("the image is pushed");
    }
    let image = format!("{}/team/app", registry.host());
    let file = kustomization(&image, "1.0.0");
    let made = world
        .git
        .create_repository("env", &[(FILE, file.as_bytes())]);
    made.expect("the repository is made");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("objects.json");
    std::fs::write(&path, manifests(&world, &image).to_string()).expect("it can be written");
    let path = path.display().to_string();
    let apply = ["apply", "--server-side", TOOL, "--filename", &path];
    said(&kubectl(&world, &apply));

    world.start_operator();
    for object in ["imagewatch/app", "imageupdatepolicy/app"] {
        let wait = ["wait", object, "--for=condition=Ready", "--timeout=60s"];
        said(&kubectl(&world, &wait));
    }
    world.kustomization_says("newTag: 1.1.0").await;
    ours(&world, &["reconcile", "policy/app", "watch/app"]);
    ours(&world, &["pin", "app", "web=1.0.0"]);
    world.kustomization_says("newTag: 1.0.0").await;
    ours(&world, &["suspend", "policy/app"]);
    world.policy_becomes("app", "Suspended").await;

    // Nothing of that is drift, and applying the same again takes nothing back.
    let diff = ["diff", "--server-side", TOOL, "--filename", &path];
    assert_eq!(said(&kubectl(&world, &diff)), "");
    said(&kubectl(&world, &apply));
    let (_, reason, _) = world.policy_ready("app").await;
    assert_eq!(reason, "Suspended");
    assert_eq!(
        owners(&world, "ImageUpdatePolicy", "app").await,
        [
            "gitops-tool: labels spec",
            "image-update-operator-cli: annotations",
            "image-update-operator: status",
        ]
    );
    assert_eq!(
        owners(&world, "ImageWatch", "app").await,
        [
            "gitops-tool: labels spec",
            "image-update-operator-cli: annotations",
            "image-update-operator: status",
        ]
    );
}

/// The keys of Argo CD's `ConfigMap` that have our health check, with their text.
fn health_checks() -> Value {
    ["ImageWatch", "ImageUpdatePolicy"]
        .iter()
        .map(|kind| {
            let key = format!("resource.customizations.health.image-update.dev_{kind}");
            (key, Value::from(health_check()))
        })
        .collect()
}

/// What stands in the blocks of a language in the guide.
fn blocks(language: &str) -> Vec<String> {
    let guide = std::fs::read_to_string(project("docs/guides/argocd.md"));
    let guide = guide.expect("there is a guide");
    let fence = format!("```{language}\n");
    let blocks = guide.split(&fence).skip(1);
    let blocks = blocks.filter_map(|block| block.split("```").next());
    blocks.map(str::to_owned).collect()
}

#[test]
fn the_guide_and_the_chart_have_the_health_check_that_is_tested() {
    let in_guide: Value = serde_yaml::from_str(&blocks("yaml").join("")).expect("it is YAML");
    assert_eq!(in_guide["data"], health_checks());
    let objects = rendered(&json!({"argocd": {"healthChecks": true}}), NAMESPACE);
    assert_eq!(the(&objects, "ConfigMap")["data"], health_checks());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_checks_are_merged_as_the_guide_says() {
    let world = World::start().await;
    let own = json!({"url": "https://argocd.example.com"});
    let values = json!({"argocd": {"healthChecks": true, "namespace": world.namespace}});
    let objects = rendered(&values, NAMESPACE);
    let argocd = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "argocd-cm", "namespace": world.namespace}, "data": own,
    });
    for object in [the(&objects, "ConfigMap"), &argocd] {
        let applied = world.server.apply(object, false).await;
        applied.expect("the API server takes the ConfigMap");
    }
    let kubectl = Assets::locate().and_then(|assets| assets.kubectl());
    let kubectl = kubectl.expect("the stack is built");
    let script = blocks("sh").swap_remove(0);
    let script = script.replace(
        "--namespace argocd",
        &format!("--namespace {}", world.namespace),
    );
    let script = script.replace("kubectl ", &format!("{} ", kubectl.display()));
    let output = command("bash".as_ref())
        .args(["-euo", "pipefail", "-c", &script])
        .env("KUBECONFIG", world.server.kubeconfig())
        .output();
    said(&output.expect("bash runs"));
    let merged = world.api::<ConfigMap>().get("argocd-cm").await;
    let merged = merged.expect("it is there").data.unwrap_or_default();
    assert_eq!(merged.len(), 3, "{merged:?}");
    for (key, check) in health_checks().as_object().into_iter().flatten() {
        assert_eq!(merged[key], *check, "{key}");
    }
}
