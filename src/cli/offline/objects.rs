//! Sorts the objects of files by what they are for. What is for nothing here is told, not refused: a
//! folder holds what an application needs, too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use image_update_core::image::Excerpt;
use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::admission::Schema;
use crate::api::v1alpha1::{GROUP, ImageUpdatePolicy, ImageWatch};
use crate::api::validate;
use crate::cli::failure::{self, Failure};
use crate::cli::{input, manifests};
use crate::controller::once::Objects;

/// The group of Argo CD.
const ARGOCD_GROUP: &str = "argoproj.io";

/// What the kinds of ours are held to, as by an API server.
struct Schemas {
    policy: Schema,
    watch: Schema,
}

/// The objects of files.
#[derive(Default)]
pub(super) struct Found {
    /// What is looked at.
    pub(super) objects: Objects,
    /// What that refers to.
    pub(super) others: Vec<Value>,
    ignored: BTreeMap<String, usize>,
    /// Where each one is.
    seen: BTreeMap<String, PathBuf>,
}

/// Reads files and folders. `namespace` is that of objects which name none.
pub(super) fn read(names: &[PathBuf], namespace: &str) -> Result<Found, Failure> {
    let schemas = Schemas {
        policy: Schema::of::<ImageUpdatePolicy>(),
        watch: Schema::of::<ImageWatch>(),
    };
    let mut found = Found::default();
    let mut wrong = Vec::new();
    manifests::for_each(names, |object, file| {
        wrong.extend(found.add(object, file, namespace, &schemas).err());
        Ok(())
    })?;
    refuse(wrong)?;
    if !found.ignored.is_empty() {
        let kinds = found.ignored.iter();
        let kinds: Vec<String> = kinds
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        failure::tell("note", &format!("not looked at: {}", kinds.join(", ")));
    }
    let objects = &found.objects;
    if objects.policies.is_empty() && objects.applications.is_empty() {
        return Err(Failure::input(anyhow!(
            "there is no ImageUpdatePolicy and no Application in it"
        ))
        .hint("name the files that have them with -f, Secrets and ImageWatches too"));
    }
    Ok(found)
}

/// Tells of each object that is wrong.
fn refuse(mut wrong: Vec<Failure>) -> Result<(), Failure> {
    let count = wrong.len();
    match (wrong.pop(), count) {
        (None, _) => Ok(()),
        (Some(failure), 1) => Err(failure),
        (Some(last), _) => {
            for failure in wrong {
                failure.report();
            }
            last.report();
            Err(Failure::input(anyhow!("{count} objects are wrong")))
        }
    }
}

impl Found {
    fn add(
        &mut self,
        mut object: Value,
        file: &Path,
        namespace: &str,
        schemas: &Schemas,
    ) -> Result<(), Failure> {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let is_known = matches!(
            (group, kind.as_str()),
            (GROUP, "ImageUpdatePolicy" | "ImageWatch")
                | (ARGOCD_GROUP, "Application" | "AppProject")
                | ("", "Secret" | "ServiceAccount" | "ConfigMap" | "Namespace")
        );
        if group == GROUP && !is_known {
            let kind = Excerpt::new(&kind);
            return Err(Failure::input(anyhow!("{version} has no kind {kind}"))
                .about(input::shown(file))
                .hint("its kinds are ImageUpdatePolicy and ImageWatch"));
        }
        if !is_known {
            let kind = if kind.is_empty() {
                "without a kind"
            } else {
                &kind
            };
            *self.ignored.entry(kind.to_owned()).or_default() += 1;
            return Ok(());
        }
        if kind != "Namespace" && object["metadata"]["namespace"].as_str().is_none() {
            // What has no metadata is refused by its name below.
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.insert("namespace".to_owned(), json!(namespace));
            }
        }
        let shown = shown(&kind, &object, file);
        if object["metadata"]["name"]
            .as_str()
            .is_none_or(str::is_empty)
        {
            return Err(Failure::input(anyhow!("it has no name")).about(shown));
        }
        let id = format!(
            "{group} {kind} {} {}",
            object["metadata"]["namespace"], object["metadata"]["name"]
        );
        if let Some(first) = self.seen.insert(id, file.to_owned()) {
            let first = input::shown(&first);
            return Err(
                Failure::input(anyhow!("it is there twice, first in {first}"))
                    .about(shown)
                    .hint("remove one of the two"),
            );
        }
        match kind.as_str() {
            "ImageUpdatePolicy" => {
                let object = admit(&schemas.policy, &object, &shown)?;
                let policy: ImageUpdatePolicy = typed(object, &shown)?;
                validate::image_update_policy(&policy.spec)
                    .map_err(|problems| Failure::input(anyhow!("{problems}")).about(&shown))?;
                self.objects.policies.push(policy);
            }
            "ImageWatch" => {
                let object = admit(&schemas.watch, &object, &shown)?;
                let watch: ImageWatch = typed(object, &shown)?;
                validate::image_watch(&watch.spec)
                    .map_err(|problems| Failure::input(anyhow!("{problems}")).about(&shown))?;
                self.objects.watches.push(watch);
            }
            "Application" => self.objects.applications.push(typed(object, &shown)?),
            "Secret" => self.others.push(encoded(object)),
            _ => self.others.push(object),
        }
        Ok(())
    }

    /// How many policies there may be, those of annotations too.
    pub(super) fn count(&self) -> usize {
        let annotated = self.objects.applications.iter();
        let is_annotated = |name: &&String| name.ends_with("image-list");
        let annotated =
            annotated.filter(|it| it.annotations().keys().any(|key| is_annotated(&key)));
        self.objects.policies.len() + annotated.count()
    }
}

/// `FILE: KIND NAMESPACE/NAME`.
fn shown(kind: &str, object: &Value, file: &Path) -> String {
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    format!("{}: {kind} {namespace}/{name}", input::shown(file))
}

/// Refuses what an API server would.
fn admit(schema: &Schema, object: &Value, shown: &str) -> Result<Value, Failure> {
    schema.admit(object).map_err(|refusals| {
        Failure::input(refusals)
            .about(shown)
            .hint("an API server refuses it, too; kubectl explain tells of each field")
    })
}

fn typed<T: DeserializeOwned>(object: Value, shown: &str) -> Result<T, Failure> {
    serde_json::from_value(object).map_err(|error| Failure::input(error).about(shown))
}

/// A Secret as an API server has it: `stringData` goes over `data`.
fn encoded(mut secret: Value) -> Value {
    let Some(Value::Object(texts)) = secret.get_mut("stringData").map(Value::take) else {
        return secret;
    };
    let data = texts.into_iter().filter_map(|(key, text)| {
        let encoded = BASE64_STANDARD.encode(text.as_str()?);
        Some((key, Value::String(encoded)))
    });
    match secret["data"].as_object_mut() {
        Some(there) => there.extend(data),
        None => secret["data"] = Value::Object(data.collect()),
    }
    secret
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<&str, &str>) {
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), text).expect("the file can be written");
        let actual = read(&[file.path().to_owned()], "team").map(|found| {
            let policies = found.objects.policies.iter();
            let names = policies
                .map(|it| format!("{}/{}", it.namespace().unwrap_or_default(), it.name_any()));
            let others = found.others.iter().map(|it| it["data"].to_string());
            names.chain(others).collect::<Vec<_>>().join(" ")
        });
        let actual = actual.map_err(|failure| format!("{failure:?}"));
        match expected {
            Ok(expected) => assert_eq!(actual.as_deref(), Ok(expected)),
            Err(expected) => {
                let error = actual.expect_err("it is refused");
                assert!(error.contains(expected), "{error}");
            }
        }
    }

    const POLICY: &str = "
apiVersion: image-update.dev/v1alpha1
kind: ImageUpdatePolicy
metadata: {name: shop}
spec:
  images: [{alias: web, image: registry.example/web, strategy: {semver: {}}}]
  writeBack: {git: {repository: 'https://git.example/env.git', targets: [{kustomization: {path: a}}]}}
";

    #[test]
    fn objects_without_a_namespace_get_the_one_that_is_given() {
        check(POLICY, Ok("team/shop"));
    }

    #[test]
    fn the_text_of_a_secret_goes_over_its_data() {
        let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: git}\n\
                      data: {password: b2xk, other: eA==}\nstringData: {password: new}\n";
        check(
            &format!("{POLICY}{secret}"),
            Ok(r#"team/shop {"other":"eA==","password":"bmV3"}"#),
        );
    }

    #[test]
    fn what_can_not_be_meant_is_refused() {
        check(&format!("{POLICY}---{POLICY}"), Err("it is there twice"));
        check(&POLICY.replace("shop", "''"), Err("it has no name"));
        check(&POLICY.replace("semver: {}", ""), Err("strategy"));
        check("kind: Deployment", Err("no ImageUpdatePolicy"));
    }
}
