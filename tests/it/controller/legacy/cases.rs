//! Annotated Applications, and what each must end as, from the files of `tests/golden/legacy`.
//!
//! What is expected stands in the files. Nothing here computes it, but for two short forms: `tag`,
//! and that what a case does not mention stays as it was.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::PREFIX;

const GROUPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/legacy");

/// Paths and texts.
pub(super) type Files = BTreeMap<String, String>;

/// A group as it stands in its file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    /// What all cases have that do not say otherwise. Of annotations and files, each.
    common: Map<String, Value>,
    cases: Vec<Map<String, Value>>,
}

/// One annotated Application.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// The Application's name.
    pub(super) name: String,
    /// The rule that the case shows.
    pub(super) why: String,
    /// `status.sourceType`.
    #[serde(rename = "type")]
    source_type: String,
    /// The Application's namespace, if it is not Argo CD's.
    pub(super) namespace: Option<String>,
    /// Annotations without their prefix; `null` for none.
    annotations: BTreeMap<String, Option<String>>,
    /// What `spec.source` has beside or instead of `repoURL: <env>`, `path: <name>`,
    /// `targetRevision: main`.
    #[serde(default)]
    source: Map<String, Value>,
    /// The sources, if they are others.
    spec: Option<Map<String, Value>>,
    /// What `status` has beside its type and images.
    #[serde(default)]
    status: Map<String, Value>,
    /// The images that run; `<host>/team/app:1.0.0` if it is not said.
    live: Option<Vec<String>>,
    /// What is in git before, by paths from the root.
    #[serde(default)]
    pub(super) files: Files,
    /// The repository that is written: `env` or `other`.
    #[serde(default = "env")]
    pub(super) repository: String,
    /// The branch that is pushed to.
    #[serde(default = "main")]
    pub(super) branch: String,
    /// Short for `expected`: the one image of the one file, a kustomization, gets this tag.
    tag: Option<String>,
    expected: Option<Expected>,
    /// What the Application must say, by JSON pointers.
    #[serde(default)]
    pub(super) application: BTreeMap<String, Value>,
    /// What an event of the Application must say. Without any, there is no event.
    #[serde(default)]
    pub(super) problems: Vec<String>,
    /// Whether nothing is written.
    #[serde(default)]
    untouched: bool,
}

/// A commit, and what is in git with it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expected {
    /// The files that differ from before, or are new.
    pub(super) files: Files,
    /// The message; if it is not said, only its subject is known.
    pub(super) message: Option<String>,
}

fn env() -> String {
    "env".to_owned()
}

fn main() -> String {
    "main".to_owned()
}

/// Reads all groups, with `names` put in the place of what stands in `<>`.
pub(super) fn read(names: &[(&str, &str)]) -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(GROUPS).expect("there are groups") {
        let path = entry.expect("the folder can be read").path();
        if path.extension().is_some_and(|it| it == "yaml") {
            cases.extend(read_group(&path, names));
        }
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

fn read_group(path: &Path, names: &[(&str, &str)]) -> Vec<Case> {
    let shown = path.display();
    let text = fs::read_to_string(path).expect("the group can be read");
    let mut groups: Vec<Group> =
        serde_yaml::from_multiple(&text).unwrap_or_else(|error| unreachable!("{shown}: {error}"));
    let group = groups.pop().expect("a file is a group");
    let cases = group.cases.into_iter();
    let cases = cases.map(|own| {
        let mut case = group.common.clone();
        for (key, value) in own {
            match (case.get_mut(&key), key.as_str()) {
                (Some(Value::Object(common)), "annotations" | "files") => {
                    let own = value.as_object().cloned();
                    common.extend(own.expect("they are by name"));
                }
                _ => {
                    case.insert(key, value);
                }
            }
        }
        let name = case["name"].as_str().expect("a case has one").to_owned();
        let mut text = Value::Object(case).to_string();
        for (short, whole) in names.iter().copied().chain([("name", name.as_str())]) {
            text = text.replace(&format!("<{short}>"), whole);
        }
        serde_json::from_str(&text).unwrap_or_else(|error| unreachable!("{shown}: {name}: {error}"))
    });
    cases.collect()
}

impl Case {
    /// The Application. `host` and `repository` are what it runs from if it does not say.
    pub(super) fn object(&self, host: &str, repository: &str) -> Value {
        let annotations = self.annotations.iter();
        let annotations: Map<String, Value> = annotations
            .filter_map(|(key, value)| Some((format!("{PREFIX}{key}"), json!(value.as_ref()?))))
            .collect();
        let mut spec = json!({
            "project": "default",
            "destination": {"server": "x", "namespace": "y"},
        });
        let whole = spec.as_object_mut().expect("it is one");
        if let Some(sources) = &self.spec {
            whole.extend(sources.clone());
        } else {
            let mut source = json!({
                "repoURL": repository, "path": self.name, "targetRevision": "main",
            });
            let fields = source.as_object_mut().expect("it is one");
            fields.extend(self.source.clone());
            whole.insert("source".to_owned(), source);
        }
        let live = self.live.clone();
        let live = live.unwrap_or_else(|| vec![format!("{host}/team/app:1.0.0")]);
        let mut status = json!({"sourceType": self.source_type, "summary": {"images": live}});
        let fields = status.as_object_mut().expect("it is one");
        fields.extend(self.status.clone());
        json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Application",
            "metadata": {
                "name": self.name, "namespace": self.namespace, "annotations": annotations,
            },
            "spec": spec,
            "status": status,
        })
    }

    /// What is committed, if anything is.
    pub(super) fn commit(&self) -> Option<Expected> {
        let is_told = self.untouched || !self.application.is_empty();
        let tag = match (&self.tag, &self.expected) {
            (Some(tag), None) if !is_told => tag,
            (None, Some(expected)) if !is_told => return Some(expected.clone()),
            (None, None) if is_told => return None,
            _ => unreachable!(
                "{}: one of tag, expected, application, untouched",
                self.name
            ),
        };
        let mut files = self.files.iter();
        let (Some((path, text)), None) = (files.next(), files.next()) else {
            unreachable!("{}: a tag is that of one file", self.name);
        };
        let after = |key: &str| {
            let found = text
                .split_once(key)
                .and_then(|(_, rest)| rest.lines().next());
            found.expect("the file is a kustomization with one image")
        };
        let (image, old) = (after("name: "), after("newTag: "));
        let line = format!("updates image {image} tag '{old}' to '{tag}'");
        Some(Expected {
            files: Files::from([(
                path.clone(),
                text.replace(&format!("newTag: {old}"), &format!("newTag: {tag}")),
            )]),
            message: Some(format!(
                "build: automatic update of {}\n\n{line}\n",
                self.name
            )),
        })
    }
}
