//! The Application as the API server has it, reduced to what counts here: an Application of any
//! version of Argo CD can be read, and little of it is kept.

use image_update_core::argocd::{self, SourceType};
use kube::{CustomResource, ResourceExt as _};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The project of Applications that name none.
const DEFAULT_PROJECT: &str = "default";

/// The spec, reduced to its project and sources.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[kube(
    group = "argoproj.io",
    version = "v1alpha1",
    kind = "Application",
    namespaced,
    schema = "disabled",
    status = "ApplicationStatus"
)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationSpec {
    /// The project; empty for `default`.
    pub project: String,
    /// The only source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceSpec>,
    /// The sources, of which there may be several; they go before `source`.
    pub sources: Vec<SourceSpec>,
    /// The source before it is hydrated; it goes before all others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_hydrator: Option<SourceHydrator>,
}

/// Where manifests come from before they are hydrated.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceHydrator {
    /// The source that people write to.
    pub dry_source: SourceSpec,
}

/// One source.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct SourceSpec {
    /// A git or a Helm repository.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// The folder in git.
    pub path: String,
    /// The chart of a Helm repository.
    pub chart: String,
    /// A branch, a tag, a commit, or a chart's version.
    pub target_revision: String,
    /// A name by which other sources refer to its files.
    #[serde(rename = "ref")]
    pub reference: String,
    /// A name for people.
    pub name: String,
    /// Settings of Helm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<Helm>,
    /// Settings of Kustomize.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Kustomize>,
    /// Settings of a config management plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Plugin>,
}

/// Settings of Helm: the parameters.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Helm {
    /// Values by path.
    pub parameters: Vec<Value>,
}

/// Settings of Kustomize: the images.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Kustomize {
    /// `[name=]image[:tag][@digest]`.
    pub images: Vec<String>,
}

/// Settings of a plugin: the environment.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Plugin {
    /// Variables.
    pub env: Vec<Value>,
}

/// What Argo CD found out.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct ApplicationStatus {
    /// What the only source is.
    pub source_type: String,
    /// What each source is.
    pub source_types: Vec<String>,
    /// What runs.
    pub summary: Summary,
}

/// What runs.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// Image references.
    pub images: Vec<String>,
}

impl Application {
    /// Its sources: those before hydration, else the list, else the only one.
    pub fn sources(&self) -> Vec<&SourceSpec> {
        match (&self.spec.source_hydrator, self.spec.sources.as_slice()) {
            (Some(hydrator), _) => vec![&hydrator.dry_source],
            (None, []) => self.spec.source.iter().collect(),
            (None, sources) => sources.iter().collect(),
        }
    }

    /// Where the source `index` stands, as a JSON pointer.
    pub fn pointer(&self, index: usize) -> String {
        match (&self.spec.source_hydrator, self.spec.sources.is_empty()) {
            (Some(_), _) => "/spec/sourceHydrator/drySource".to_owned(),
            (None, true) => "/spec/source".to_owned(),
            (None, false) => format!("/spec/sources/{index}"),
        }
    }

    /// What deciding about it takes.
    pub fn facts(&self) -> argocd::Application {
        let status = self.status.clone().unwrap_or_default();
        let found = |index: usize| {
            let names = &status.source_types;
            let name = names.get(index).unwrap_or(&status.source_type);
            SourceType::from_status(name)
        };
        let sources = self.sources().into_iter().enumerate();
        argocd::Application {
            namespace: self.namespace().unwrap_or_default(),
            name: self.name_any(),
            project: match self.spec.project.as_str() {
                "" => DEFAULT_PROJECT.to_owned(),
                project => project.to_owned(),
            },
            sources: sources
                .map(|(index, source)| source.facts(found(index)))
                .collect(),
            images: status.summary.images,
        }
    }
}

impl SourceSpec {
    fn facts(&self, found: Option<SourceType>) -> argocd::Source {
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        let block = match (&self.helm, &self.kustomize, &self.plugin) {
            (Some(_), _, _) => Some(SourceType::Helm),
            (None, Some(_), _) => Some(SourceType::Kustomize),
            (None, None, Some(_)) => Some(SourceType::Plugin),
            (None, None, None) => None,
        };
        argocd::Source {
            repo_url: self.repo_url.clone(),
            path: self.path.clone(),
            is_chart: !self.chart.is_empty(),
            target_revision: self.target_revision.clone(),
            reference: text(&self.reference),
            name: text(&self.name),
            block,
            found,
            kustomize_images: self
                .kustomize
                .iter()
                .flat_map(|it| &it.images)
                .cloned()
                .collect(),
        }
    }

    /// Its overrides in the form of an `.argocd-source` file, as JSON, which is YAML, too.
    pub fn overrides(&self) -> Vec<u8> {
        let mut overrides = json!({});
        if let Some(helm) = self.helm.as_ref().filter(|it| !it.parameters.is_empty()) {
            overrides["helm"] = json!({"parameters": helm.parameters});
        }
        if let Some(kustomize) = self.kustomize.as_ref().filter(|it| !it.images.is_empty()) {
            overrides["kustomize"] = json!({"images": kustomize.images});
        }
        if let Some(plugin) = self.plugin.as_ref().filter(|it| !it.env.is_empty()) {
            overrides["plugin"] = json!({"env": plugin.env});
        }
        overrides.to_string().into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application(spec: &Value, status: &Value) -> Application {
        let object = json!({
            "metadata": {"namespace": "argocd", "name": "shop"}, "spec": spec, "status": status,
        });
        serde_json::from_value(object).expect("the row is an Application")
    }

    #[track_caller]
    fn check(spec: &Value, status: &Value, pointer: &str, expected: &[(&str, Option<SourceType>)]) {
        let application = application(spec, status);
        let facts = application.facts();
        let found: Vec<_> = facts
            .sources
            .iter()
            .map(|source| (source.repo_url.as_str(), source.source_type()))
            .collect();
        assert_eq!(found, expected);
        assert_eq!(application.pointer(0), pointer);
    }

    #[test]
    fn the_type_is_what_the_spec_says_else_what_argo_cd_found() {
        check(
            &json!({"source": {"repoURL": "a", "kustomize": {}}, "destination": {"server": "x"}}),
            &json!({"sourceType": "Helm", "health": {"status": "Healthy"}}),
            "/spec/source",
            &[("a", Some(SourceType::Kustomize))],
        );
        check(
            &json!({"source": {"repoURL": "a"}}),
            &json!({"sourceType": "Directory"}),
            "/spec/source",
            &[("a", Some(SourceType::Directory))],
        );
        check(
            &json!({"source": {"repoURL": "a", "chart": "x"}}),
            &Value::Null,
            "/spec/source",
            &[("a", Some(SourceType::Helm))],
        );
    }

    #[test]
    fn several_sources_have_types_by_their_place() {
        check(
            &json!({"sources": [{"repoURL": "a"}, {"repoURL": "b"}], "source": {"repoURL": "c"}}),
            &json!({"sourceTypes": ["Kustomize", "Helm"]}),
            "/spec/sources/0",
            &[
                ("a", Some(SourceType::Kustomize)),
                ("b", Some(SourceType::Helm)),
            ],
        );
    }

    #[test]
    fn the_dry_source_is_what_people_write_to() {
        check(
            &json!({"sourceHydrator": {
                "drySource": {"repoURL": "dry", "path": "p"},
                "syncSource": {"targetBranch": "env"},
            }}),
            &Value::Null,
            "/spec/sourceHydrator/drySource",
            &[("dry", None)],
        );
    }

    #[test]
    fn overrides_are_in_the_form_of_the_file() {
        let application = application(
            &json!({"source": {"helm": {
                "valueFiles": ["x"], "parameters": [{"name": "a", "value": "b"}],
            }}}),
            &Value::Null,
        );
        let overrides = application.sources()[0].overrides();
        assert_eq!(
            String::from_utf8(overrides).as_deref(),
            Ok(r#"{"helm":{"parameters":[{"name":"a","value":"b"}]}}"#)
        );
    }
}
