//! Applies objects of any kind, as `kubectl apply --server-side` does.

use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use serde_json::Value;

use super::{ApiServer, Error};

/// Who applies.
const INSTALLER: &str = "install";

impl ApiServer {
    /// Applies an object; fields that are unknown to its kind are errors. With `dry_run` all is checked
    /// and nothing kept.
    pub async fn apply(&self, object: &Value, dry_run: bool) -> Result<DynamicObject, Error> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kind = text(&object["kind"]);
        let name = text(&object["metadata"]["name"]);
        let kube = self.client().await?;
        apply(kube, object, &kind, &name, dry_run)
            .await
            .map_err(|source| Error::Object { kind, name, source })
    }

    /// Applies objects in their order, and waits until the definitions among them are served.
    pub async fn install(&self, objects: &[Value]) -> Result<(), Error> {
        for object in objects {
            let applied = self.apply(object, false).await?;
            if object["kind"] == "CustomResourceDefinition" {
                let name = applied.metadata.name.unwrap_or_default();
                self.established(&name).await?;
            }
        }
        Ok(())
    }
}

async fn apply(
    kube: Client,
    object: &Value,
    kind: &str,
    name: &str,
    dry_run: bool,
) -> Result<DynamicObject, kube::Error> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&object["apiVersion"]);
    let (group, version) = version.split_once('/').unwrap_or(("", &version));
    let kind = GroupVersionKind::gvk(group, version, kind);
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
        ..PatchParams::apply(INSTALLER).force()
    };
    api.patch(name, &parameters, &Patch::Apply(object)).await
}
