//! Files that are made from code: plain functions that return text.
//!
//! A test compares each with what is committed; `make generate` writes them.

mod cli_reference;
mod metrics_reference;
mod old_settings_reference;
pub mod rbac;
mod reasons;
mod spec_pages;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};

/// A generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Where it is committed, from the project's root.
    pub path: &'static str,
    /// What stands in it.
    pub content: String,
}

/// What an installation has of both: the roles, and the copies of the CustomResourceDefinitions for
/// kustomize and for the chart, which read nothing outside of their folders.
pub fn manifests() -> Vec<GeneratedFile> {
    let [policies, watches] = [ImageUpdatePolicy::crd(), ImageWatch::crd()];
    let mut files = vec![
        crd(
            "config/crd/image-update.dev_imageupdatepolicies.yaml",
            &policies,
        ),
        crd("config/crd/image-update.dev_imagewatches.yaml", &watches),
        crd(
            "charts/image-update-operator/files/crds/image-update.dev_imageupdatepolicies.yaml",
            &policies,
        ),
        crd(
            "charts/image-update-operator/files/crds/image-update.dev_imagewatches.yaml",
            &watches,
        ),
    ];
    files.extend(rbac::files());
    files
}

/// The CustomResourceDefinitions of both kinds.
pub fn crds() -> Vec<GeneratedFile> {
    vec![
        crd(
            "crds/image-update.dev_imageupdatepolicies.yaml",
            &ImageUpdatePolicy::crd(),
        ),
        crd(
            "crds/image-update.dev_imagewatches.yaml",
            &ImageWatch::crd(),
        ),
    ]
}

/// The reference pages: one for each kind, the command line, the metrics, and the
/// predecessor's settings.
pub fn references() -> Vec<GeneratedFile> {
    let mut files = spec_pages::pages();
    files.push(cli_reference::page());
    files.push(metrics_reference::page());
    files.push(old_settings_reference::page());
    files
}

fn crd(path: &'static str, definition: &CustomResourceDefinition) -> GeneratedFile {
    let content = serde_yaml::to_string(definition)
        .expect("a CustomResourceDefinition is made of maps, lists and plain values");
    GeneratedFile { path, content }
}
