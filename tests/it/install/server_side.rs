//! What is rendered is taken by a real API server, and nothing of it unknown to it.

use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::stack::Assets;
use serde_json::{Value, json};

use super::kustomizations::overlaid;
use super::render::{
    NAMESPACE, bare, everything, kustomized, namespaced, objects, project, rendered,
};
use crate::world::api_server;

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_what_the_chart_renders() {
    let server = api_server().await;
    namespaces(server, &[NAMESPACE, "argocd", "team-a", "team-b"]).await;
    with_prometheus_operator(server).await;
    let own = json!({"argocd": {"repositoryCredentials": "own"}, "watchNamespaces": ["team-a"]});
    for values in [json!({}), everything(), namespaced(), bare(), own] {
        let rendered = rendered(&values, NAMESPACE);
        taken(server, &rendered, &values.to_string()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_server_takes_every_kustomization() {
    let server = api_server().await;
    namespaces(
        server,
        &[NAMESPACE, "argocd", "team-a", "image-update-samples"],
    )
    .await;
    with_prometheus_operator(server).await;
    // `manager` and `rbac` are parts of these; components are applied as overlays have them.
    for folder in ["crd", "cluster-wide", "default", "namespaced", "samples"] {
        let rendered = objects(kustomized(&project("config").join(folder)).as_bytes());
        taken(server, &rendered, folder).await;
    }
    let components = [
        "argocd-repositories",
        "high-availability",
        "monitoring",
        "network-policy",
        "webhooks",
    ];
    for component in components {
        let rendered = overlaid("default", &[component], None);
        taken(server, &rendered, component).await;
    }
    let all = overlaid("default", &components, None);
    taken(server, &all, "all components").await;
    // That of Argo CD's namespace would be moved along with the others.
    let own = overlaid("namespaced", &components[1..], Some("team-a"));
    taken(server, &own, "all components of a namespace").await;
}

async fn with_prometheus_operator(server: &ApiServer) {
    let monitoring = Assets::locate().and_then(|assets| assets.prometheus_operator_crds());
    let installed = server
        .install_crds(&monitoring.expect("the stack is built"))
        .await;
    installed.expect("the CRDs of the Prometheus operator can be installed");
}

async fn taken(server: &ApiServer, objects: &[Value], what: &str) {
    assert!(!objects.is_empty(), "{what} renders nothing");
    let mut refused = Vec::new();
    for object in objects {
        if let Err(error) = server.apply(object, true).await {
            refused.push(format!("{error}: {:?}", std::error::Error::source(&error)));
        }
    }
    assert!(refused.is_empty(), "{what}: {}", refused.join("\n"));
}

async fn namespaces(server: &ApiServer, names: &[&str]) {
    for name in names {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name},
        });
        let applied = server.apply(&namespace, false).await;
        applied.expect("a namespace can be made");
    }
}
