//! What is rendered is taken by a real API server, and nothing of it unknown to it.

use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::stack::Assets;
use kube::api::{Api, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use serde_json::{Value, json};

use super::render::{
    NAMESPACE, bare, everything, kustomized, namespaced, objects, project, rendered,
};
use crate::world::api_server;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_what_the_chart_renders() {
    let server = api_server().await;
    namespaces(server, &[NAMESPACE, "argocd", "team-a", "team-b"]).await;
    let monitoring = Assets::locate().and_then(|assets| assets.prometheus_operator_crds());
    let installed = server
        .install_crds(&monitoring.expect("the stack is built"))
        .await;
    installed.expect("the CRDs of the Prometheus operator can be installed");
    let own = json!({"argocd": {"repositoryCredentials": "own"}, "watchNamespaces": ["team-a"]});
    for values in [json!({}), everything(), namespaced(), bare(), own] {
        let rendered = rendered(&values, NAMESPACE);
        taken(server, &rendered, &values.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_every_kustomization() {
    let server = api_server().await;
    namespaces(server, &[NAMESPACE, "argocd"]).await;
    // `manager` and `rbac` are parts of these; the component is applied as an overlay has it.
    for folder in ["crd", "default", "namespaced"] {
        let rendered = objects(kustomized(&project("config").join(folder)).as_bytes());
        taken(server, &rendered, folder).await;
    }
    for file in ["role.yaml", "role_binding.yaml"] {
        let file = project("config/argocd-repositories").join(file);
        let text = std::fs::read(&file).expect("it can be read");
        taken(server, &objects(&text), &file.display().to_string()).await;
    }
}

async fn taken(server: &ApiServer, objects: &[Value], what: &str) {
    assert!(!objects.is_empty(), "{what} renders nothing");
    let mut refused = Vec::new();
    for object in objects {
        if let Err(error) = apply(server, object, true).await {
            refused.push(format!(
                "{} {}: {error}",
                object["kind"], object["metadata"]["name"]
            ));
        }
    }
    assert!(refused.is_empty(), "{what}: {}", refused.join("\n"));
}

async fn namespaces(server: &ApiServer, names: &[&str]) {
    for name in names {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
        });
        let applied = apply(server, &namespace, false).await;
        applied.expect("a namespace can be made");
    }
}

/// Applies an object as `kubectl apply --server-side` does; unknown fields are errors.
pub(super) async fn apply(
    server: &ApiServer,
    object: &Value,
    dry_run: bool,
) -> Result<DynamicObject, kube::Error> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&object["apiVersion"]);
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    let kind = GroupVersionKind::gvk(group, version, &text(&object["kind"]));
    let kube = server.client().await.expect("there is a client");
    let (resource, capabilities) = discovery::pinned_kind(&kube, &kind).await?;
    let api: Api<DynamicObject> = if capabilities.scope == Scope::Cluster {
        Api::all_with(kube, &resource)
    } else {
        let namespace = text(&object["metadata"]["namespace"]);
        Api::namespaced_with(kube, &namespace, &resource)
    };
    let parameters = PatchParams {
        dry_run,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("install").force()
    };
    let name = text(&object["metadata"]["name"]);
    api.patch(&name, &parameters, &Patch::Apply(object)).await
}
