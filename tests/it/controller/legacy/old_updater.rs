//! The predecessor runs in the same cluster: nothing is converted, unless the operator was told to.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::with_kustomizations;

#[tokio::test(flavor = "multi_thread")]
async fn while_the_old_updater_runs_nothing_is_converted() {
    let mut legacy = with_kustomizations(&["app"]).await;
    legacy.kustomized("app", &[]).await;
    let leases: Api<Lease> = legacy.world.api();
    let name = "c21b75f2.argoproj.io";
    let lease = json!({
        "metadata": {"name": name},
        "spec": {"holderIdentity": "pod", "renewTime": now()},
    });
    let lease = serde_json::from_value(lease).expect("it is a Lease");
    let created = leases.create(&PostParams::default(), &lease).await;
    created.expect("the Lease can be created");
    legacy.world.start_operator();

    let note = legacy.note("Lease", name, "OldUpdaterRunning").await;
    assert!(note.contains("--convert-beside-old-updater"), "{note}");
    assert!(legacy.policy("app").await.is_none());
    let deleted = leases.delete(name, &DeleteParams::default()).await;
    deleted.expect("the Lease can be deleted");
    legacy.tag_becomes("app", "1.1.0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beside_a_deployment_of_the_old_updater_it_is_converted_only_if_told_to() {
    let mut legacy = with_kustomizations(&["app"]).await;
    legacy.kustomized("app", &[]).await;
    let labels = json!({"app.kubernetes.io/name": "argocd-image-updater"});
    let deployment = json!({
        "metadata": {"name": "old", "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "old", "image": "old"}]},
            },
        },
    });
    let deployment = serde_json::from_value(deployment).expect("it is a Deployment");
    let deployments: Api<Deployment> = legacy.world.api();
    let created = deployments
        .create(&PostParams::default(), &deployment)
        .await;
    created.expect("the Deployment can be created");
    let status = json!({"status": {"replicas": 1, "readyReplicas": 1}});
    let patched = deployments
        .patch_status("old", &PatchParams::default(), &Patch::Merge(&status))
        .await;
    patched.expect("the API server takes the status");
    legacy.world.start_operator();
    legacy.note("Deployment", "old", "OldUpdaterRunning").await;
    assert!(legacy.policy("app").await.is_none());
    legacy.world.kill_operator();

    legacy.world.flag("--convert-beside-old-updater");
    legacy.world.start_operator();
    legacy.tag_becomes("app", "1.1.0").await;
}

/// The time now, as Leases have it.
#[expect(
    clippy::disallowed_methods,
    reason = "the operator compares it with its clock"
)]
fn now() -> String {
    format!("{:.6}", Timestamp::now())
}
