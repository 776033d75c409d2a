//! Objects of the old updater's own kind are in the cluster: that is told, and nothing waits for it.

use std::path::Path;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::ApiResource;
use serde_json::json;

use super::with_kustomizations;

/// A folder with the kind's definition.
const KIND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/image-updater");

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_the_old_updater_are_told_of_and_hold_nothing_back() {
    let mut legacy = with_kustomizations(&["app"]).await;
    legacy.kustomized("app", &[]).await;
    let installed = legacy.world.server.install_crds(Path::new(KIND)).await;
    installed.expect("the kind can be installed");
    let resource = ApiResource {
        group: "argocd-image-updater.argoproj.io".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "argocd-image-updater.argoproj.io/v1alpha1".to_owned(),
        kind: "ImageUpdater".to_owned(),
        plural: "imageupdaters".to_owned(),
    };
    let world = &legacy.world;
    let api: Api<DynamicObject> =
        Api::namespaced_with(world.kube.clone(), &world.namespace, &resource);
    for name in ["first", "second"] {
        let object = json!({
            "apiVersion": resource.api_version, "kind": resource.kind,
            "metadata": {"name": name},
            "spec": {"applicationRefs": [{"namePattern": "*", "useAnnotations": true}]},
        });
        let applied = api
            .patch(name, &PatchParams::apply("test"), &Patch::Apply(&object))
            .await;
        applied.expect("the API server takes the object");
    }
    legacy.world.start_operator();

    let note = legacy
        .note("ImageUpdater", "first", "ImageUpdaterIgnored")
        .await;
    let expected = format!("ImageUpdater {}/first and 1 more: ", legacy.world.namespace);
    assert!(note.starts_with(&expected), "{note}");
    assert!(note.contains("`convert -f FILE`"), "{note}");
    legacy.tag_becomes("app", "1.1.0").await;
}
