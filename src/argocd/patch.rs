//! Writes overrides into an Application: the lists that differ and nothing else, and only if nobody
//! changed it in between.

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

use super::application::Application;
use super::error::Error;
use super::wrote::{self, Wrote};
use crate::request_error::RequestError;

/// How often it is tried if others write at the same time.
const MOST_ATTEMPTS: u32 = 5;

/// Any value of it is taken away by Argo CD once it has looked.
const REFRESH_ANNOTATION: &str = "argocd.argoproj.io/refresh";

/// The lists that an override consists of, by the block and the field they stand in.
const LISTS: [(&str, &str); 3] = [
    ("helm", "parameters"),
    ("kustomize", "images"),
    ("plugin", "env"),
];

/// Whether something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It says so already.
    Unchanged,
    /// It was patched.
    Patched,
}

/// An Application's overrides, and what is noted of those that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edited {
    /// The overrides, in the form of an `.argocd-source` file.
    pub overrides: Vec<u8>,
    /// The note; `None` if it stays as it is.
    pub wrote: Option<Wrote>,
}

/// Lets `edit` change the overrides of the source `index`, and patches what differs.
///
/// `edit` gets the overrides in the form of an `.argocd-source` file and what is noted of them, and
/// returns the new ones, or `None` if nothing is to change. It is called again each time somebody
/// else was faster.
pub async fn update(
    kube: &Client,
    namespace: &str,
    name: &str,
    index: usize,
    field_manager: &str,
    mut edit: impl FnMut(&[u8], Wrote) -> Option<Edited> + Send,
) -> Result<Outcome, Error> {
    let api: Api<Application> = Api::namespaced(kube.clone(), namespace);
    let shown = format!("{namespace}/{name}");
    for _ in 0..MOST_ATTEMPTS {
        let found = api.get_opt(name).await.map_err(|source| Error::Read {
            name: shown.clone(),
            source: RequestError::new(source),
        })?;
        let application = found.ok_or_else(|| Error::Gone {
            name: shown.clone(),
        })?;
        let sources = application.sources();
        let Some(source) = sources.get(index) else {
            return Ok(Outcome::Unchanged);
        };
        let before = source.overrides();
        let noted = Wrote::on(&application.metadata);
        let Some(after) = edit(&before, noted) else {
            return Ok(Outcome::Unchanged);
        };
        let parse = |bytes: &[u8]| {
            serde_yaml::from_slice::<Value>(bytes).map_err(|source| Error::Overrides {
                name: shown.clone(),
                source: Box::new(source),
            })
        };
        let mut operations = operations(
            &application,
            index,
            &parse(&before)?,
            &parse(&after.overrides)?,
        );
        if operations.is_empty() {
            return Ok(Outcome::Unchanged);
        }
        operations.extend(after.wrote.map(|wrote| note(&application, &wrote)));
        let version = application.resource_version();
        // A `test` would do as well, but what it answers can't be told from an invalid object.
        operations.push(json!({
            "op": "replace",
            "path": "/metadata/resourceVersion",
            "value": version,
        }));
        let patch = json_patch(operations);
        let parameters = PatchParams {
            field_manager: Some(field_manager.to_owned()),
            ..PatchParams::default()
        };
        match api.patch(name, &parameters, &patch).await {
            Ok(_) => return Ok(Outcome::Patched),
            Err(kube::Error::Api(answer)) if answer.is_conflict() => {}
            Err(source) => {
                return Err(Error::Write {
                    name: shown,
                    source: RequestError::new(source),
                });
            }
        }
    }
    Err(Error::Conflict {
        name: shown,
        attempts: MOST_ATTEMPTS,
    })
}

/// Asks Argo CD to compare an Application with its source at once.
///
/// The annotation: <https://argo-cd.readthedocs.io/en/stable/user-guide/annotations-and-labels/>
pub async fn refresh(kube: &Client, namespace: &str, name: &str) -> Result<(), Error> {
    let api: Api<Application> = Api::namespaced(kube.clone(), namespace);
    let annotations = json!({REFRESH_ANNOTATION: "normal"});
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotations}}));
    let parameters = PatchParams::default();
    let patched = api.patch_metadata(name, &parameters, &patch).await;
    patched.map(drop).map_err(|source| Error::Write {
        name: format!("{namespace}/{name}"),
        source: RequestError::new(source),
    })
}

/// The operations that put each list right that differs.
fn operations(
    application: &Application,
    index: usize,
    before: &Value,
    after: &Value,
) -> Vec<Value> {
    let source = application.pointer(index);
    let spec = application.sources().get(index).copied().cloned();
    let spec = spec.unwrap_or_default();
    let mut operations = Vec::new();
    for (block, field) in LISTS {
        let list = &after[block][field];
        if list.is_null() || *list == before[block][field] {
            continue;
        }
        let has_block = match block {
            "helm" => spec.helm.is_some(),
            "kustomize" => spec.kustomize.is_some(),
            _ => spec.plugin.is_some(),
        };
        // `add` replaces what is there, but needs a parent.
        operations.push(if has_block {
            json!({"op": "add", "path": format!("{source}/{block}/{field}"), "value": list})
        } else {
            json!({"op": "add", "path": format!("{source}/{block}"), "value": {field: list}})
        });
    }
    operations
}

/// The operation that writes a note.
fn note(application: &Application, wrote: &Wrote) -> Value {
    let value = wrote.to_annotation();
    // `/` is written so in a pointer: <https://www.rfc-editor.org/rfc/rfc6901#section-3>
    let name = wrote::ANNOTATION.replace('/', "~1");
    match &application.metadata.annotations {
        Some(_) => json!({
            "op": "add",
            "path": format!("/metadata/annotations/{name}"),
            "value": value,
        }),
        None => json!({
            "op": "add",
            "path": "/metadata/annotations",
            "value": {wrote::ANNOTATION: value},
        }),
    }
}

fn json_patch(operations: Vec<Value>) -> Patch<()> {
    let patch = serde_json::from_value(Value::Array(operations));
    Patch::Json(patch.expect("the operations above are a JSON patch"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: &Value, after: &Value, expected: &Value) {
        let object = json!({"metadata": {"namespace": "a", "name": "b"}, "spec": spec});
        let application: Application =
            serde_json::from_value(object).expect("the row is an Application");
        let before = application.sources()[0].overrides();
        let before = serde_json::from_slice(&before).expect("overrides are JSON");
        let found = operations(&application, 0, &before, after);
        assert_eq!(Value::Array(found), *expected);
    }

    #[test]
    fn only_the_list_that_differs_is_replaced() {
        check(
            &json!({"source": {"helm": {"valueFiles": ["v"], "parameters": [{"name": "t"}]}}}),
            &json!({"helm": {"parameters": [{"name": "t", "value": "1"}]}}),
            &json!([{
                "op": "add",
                "path": "/spec/source/helm/parameters",
                "value": [{"name": "t", "value": "1"}],
            }]),
        );
        check(
            &json!({"source": {"kustomize": {"images": ["a:1"]}}}),
            &json!({"kustomize": {"images": ["a:1"]}}),
            &json!([]),
        );
    }

    #[test]
    fn a_block_that_is_missing_is_made() {
        check(
            &json!({"sources": [{"path": "x"}]}),
            &json!({"kustomize": {"images": ["a:1"]}}),
            &json!([{
                "op": "add",
                "path": "/spec/sources/0/kustomize",
                "value": {"images": ["a:1"]},
            }]),
        );
    }
}
