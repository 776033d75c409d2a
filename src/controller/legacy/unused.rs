//! Removes watches that were made from annotations and that no policy needs any more.

use std::collections::HashSet;

use kube::api::Api;
use kube::core::Resource;
use tracing::{info, warn};

use super::application::exactly;
use crate::api::v1alpha1::ImageWatch;
use crate::api::v1alpha1::annotations::is_converted;
use crate::controller::context::Context;
use crate::controller::status::names;
use crate::request_error;

/// Removes them, if anything happened that may have left some.
pub(super) async fn remove(context: &Context) {
    if !std::mem::take(&mut context.legacy.memory().has_unused) {
        return;
    }
    let (referred, unreadable) = referred_to(context);
    for watch in context.watches.state() {
        let meta = watch.meta();
        let (namespace, name) = names(meta);
        let is_used = referred.contains(&(namespace.to_owned(), name.to_owned()))
            // What a policy refers to that can't be read is not known.
            || unreadable.contains(namespace);
        if !context.legacy.covers(namespace) || !is_converted(meta) || is_used {
            continue;
        }
        let api: Api<ImageWatch> = Api::namespaced(context.kube.clone(), namespace);
        match api.delete(name, &exactly(meta)).await {
            Ok(_) => info!(
                object.namespace = namespace,
                object.name = name,
                "Removed a watch that no policy needs any more"
            ),
            Err(kube::Error::Api(answer)) if answer.code == 404 => {}
            Err(error) => {
                // It is looked at again after the next pause.
                context.legacy.memory().has_unused = true;
                if !matches!(&error, kube::Error::Api(answer) if answer.code == 409) {
                    warn!(
                        object.namespace = namespace,
                        object.name = name,
                        error = %request_error::words(&error),
                        "Could not remove a watch that no policy needs any more"
                    );
                }
            }
        }
    }
}

/// The watches that policies refer to or are about to, and the namespaces of policies that can't be
/// read.
fn referred_to(context: &Context) -> (HashSet<(String, String)>, HashSet<String>) {
    let mut referred = HashSet::new();
    let mut unreadable = HashSet::new();
    for policy in context.policies.state() {
        let own = names(policy.meta()).0;
        let Ok(policy) = &policy.0 else {
            unreadable.insert(own.to_owned());
            continue;
        };
        let watches = policy.watches();
        referred.extend(watches.map(|(namespace, name)| (namespace.to_owned(), name.to_owned())));
    }
    for ((namespace, _), watches) in &context.legacy.memory().needs {
        referred.extend(
            watches
                .iter()
                .map(|watch| (namespace.clone(), watch.clone())),
        );
    }
    (referred, unreadable)
}
