//! Whether there are `ImageUpdater` objects, the predecessor's own kind: nobody follows those here, and
//! who installs this operator beside them should not have to find that out. Nothing waits for them.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Api, DynamicObject, ListParams};
use kube::discovery::ApiResource;
use kube::runtime::events::EventType;
use tracing::{debug, warn};

use crate::api::v1alpha1::Reason;
use crate::controller::context::Context;
use crate::controller::events::{self, Notice};

/// The API group of the predecessor's kind.
const GROUP: &str = "argocd-image-updater.argoproj.io";

/// Looks once, and says so if there are some where it is looked.
pub(super) async fn look(context: &Context) {
    let is_there = context.kube.list_api_groups().await;
    if is_there.is_ok_and(|groups| groups.groups.iter().all(|group| group.name != GROUP)) {
        return;
    }
    let kind = ApiResource {
        group: GROUP.to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "argocd-image-updater.argoproj.io/v1alpha1".to_owned(),
        kind: "ImageUpdater".to_owned(),
        plural: "imageupdaters".to_owned(),
    };
    let kube = || context.kube.clone();
    let watched = &context.legacy.watched;
    let apis: Vec<Api<DynamicObject>> = if watched.is_empty() {
        vec![Api::all_with(kube(), &kind)]
    } else {
        let namespaces = watched.iter();
        namespaces
            .map(|namespace| Api::namespaced_with(kube(), namespace, &kind))
            .collect()
    };
    for api in apis {
        match api.list_metadata(&ListParams::default().limit(1)).await {
            Ok(found) => {
                if let Some(first) = found.items.first() {
                    let more = found.metadata.remaining_item_count.unwrap_or_default();
                    let reference = ObjectReference {
                        api_version: Some(kind.api_version.clone()),
                        kind: Some(kind.kind.clone()),
                        namespace: first.metadata.namespace.clone(),
                        name: first.metadata.name.clone(),
                        uid: first.metadata.uid.clone(),
                        ..ObjectReference::default()
                    };
                    tell(context, &reference, more).await;
                }
            }
            // The group is there, and not its kind of this version.
            Err(kube::Error::Api(answer)) if answer.code == 404 => {}
            Err(kube::Error::Api(answer)) if answer.code == 403 => {
                debug!("May not see whether there are ImageUpdater objects");
            }
            Err(error) => warn!(
                error = &error as &dyn std::error::Error,
                "Could not find out whether there are ImageUpdater objects"
            ),
        }
    }
}

async fn tell(context: &Context, found: &ObjectReference, more: i64) {
    let namespace = found.namespace.as_deref().unwrap_or_default();
    let name = found.name.as_deref().unwrap_or_default();
    let others = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let note = format!(
        "ImageUpdater {namespace}/{name}{others}: such objects have no effect here; `convert -f FILE` \
         prints policies that do the same"
    );
    warn!("{note}");
    let notice = Notice {
        type_: EventType::Warning,
        reason: Reason::ImageUpdaterIgnored,
        action: "Convert",
        note,
    };
    let now = context.clock.now();
    events::publish(&context.kube, found, vec![notice], now).await;
}
