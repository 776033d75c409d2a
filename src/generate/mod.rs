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
use serde_json::Value;

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
    let mut definition = serde_json::to_value(definition)
        .expect("a CustomResourceDefinition is made of maps, lists and plain values");
    unwrap_descriptions(&mut definition);
    let content = serde_yaml::to_string(&definition).expect("JSON is YAML");
    GeneratedFile { path, content }
}

/// Takes the line ends of doc comments out of descriptions: `kubectl explain` keeps them, and wraps
/// lines besides.
fn unwrap_descriptions(part: &mut Value) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                if name == "description"
                    && let Value::String(text) = value
                {
                    *text = unwrapped(text);
                } else {
                    unwrap_descriptions(value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(unwrap_descriptions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Each paragraph, and each item of a list, on one line.
fn unwrapped(text: &str) -> String {
    let mut unwrapped = String::new();
    for line in text.lines() {
        let ends_paragraph = line.is_empty() || unwrapped.ends_with('\n');
        if unwrapped.is_empty() {
            unwrapped.push_str(line);
        } else if ends_paragraph || line.starts_with("- ") {
            unwrapped.push('\n');
            unwrapped.push_str(line);
        } else {
            unwrapped.push(' ');
            unwrapped.push_str(line.trim_start());
        }
    }
    unwrapped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(unwrapped(text), expected);
    }

    #[test]
    fn a_paragraph_and_an_item_are_one_line_each() {
        check("", "");
        check("One.", "One.");
        check("One\ntwo.", "One two.");
        check("One\ntwo.\n\nThree\nfour.", "One two.\n\nThree four.");
        check("One:\n- two\n  three\n- four", "One:\n- two three\n- four");
    }
}
