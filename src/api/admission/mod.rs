//! What an API server would refuse of our kinds, found without one.
//!
//! The `CustomResourceDefinition` is the one source of its rules: its schema ([`structure`]) and its CEL
//! rules (the crate `kube-cel`) are run as they are, so that a file is refused by `plan` as it is by
//! `kubectl apply`, and in the same words. An unknown field is refused too: `kubectl` asks for that.
//!
//! No defaults are filled in here. An object's `status` is not looked at, because whoever applies an
//! object does not write it.

mod metadata;
mod refusal;
mod structure;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionVersion;
use kube::CustomResourceExt;
use kube_cel::{CompiledSchema, Validator, compile_schema};
use serde_json::{Map, Value};

pub use refusal::Refusals;
use structure::Node;

/// What may stand in an object besides what its schema has.
const ENVELOPE: [&str; 4] = ["apiVersion", "kind", "metadata", "status"];

/// What one kind's objects are held to.
pub struct Schema {
    api_version: String,
    structure: Node,
    rules: CompiledSchema,
}

impl Schema {
    /// That of a kind of ours.
    pub fn of<K: CustomResourceExt>() -> Self {
        let definition = K::crd();
        let version = &definition.spec.versions[0];
        let schema = plain(version);
        Self {
            api_version: format!("{}/{}", definition.spec.group, version.name),
            rules: compile_schema(&schema),
            structure: Node::of(schema),
        }
    }

    /// The object as it is taken, without fields that are null; or everything that is wrong with it:
    /// first with its structure, and if nothing is, by its rules, as an API server has it.
    ///
    /// A null in a map is refused, which an API server takes for no value: a selector without its
    /// label would select everything.
    pub fn admit(&self, object: &Value) -> Result<Value, Refusals> {
        let mut found = Refusals::default();
        if object["apiVersion"] != *self.api_version {
            let expected = format!("must be {}", self.api_version);
            found.invalid("apiVersion", &object["apiVersion"], &expected);
        }
        metadata::check(&object["metadata"], &mut found);
        let written = written(object);
        self.structure.check(&written, "", &mut found);
        found.finish()?;
        self.check_rules(&without_nulls(&written))?;
        Ok(without_nulls(object))
    }

    fn check_rules(&self, object: &Value) -> Result<(), Refusals> {
        let mut found = Refusals::default();
        if let Err(errors) = Validator::new().validate_compiled(&self.rules, object, None) {
            // One that can't be run refuses, too, as that of an API server does.
            for error in errors {
                let value = at(object, &error.field_path);
                found.invalid(&error.field_path, value, &error.message);
            }
        }
        found.finish()
    }
}

/// The schema of a version, as it is in a file.
fn plain(version: &CustomResourceDefinitionVersion) -> Value {
    let schema = version.schema.as_ref();
    let schema = schema.and_then(|it| it.open_api_v3_schema.as_ref());
    serde_json::to_value(schema).expect("a schema is plain JSON")
}

/// The object without what it may have besides what the schema has.
fn written(object: &Value) -> Value {
    let members = object.as_object().into_iter().flatten();
    let members = members.filter(|(key, _)| !ENVELOPE.contains(&key.as_str()));
    let members: Map<String, Value> = members
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    Value::Object(members)
}

/// A field that is null is not there:
/// <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting-and-nullable>
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            let members = members.map(|(key, value)| (key.clone(), without_nulls(value)));
            Value::Object(members.collect())
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// The value at a path such as `spec.images[0].alias`; null where there is none.
fn at<'a>(object: &'a Value, path: &str) -> &'a Value {
    let steps = path.split(['.', '[']).filter(|step| !step.is_empty());
    steps.fold(object, |value, step| {
        match step
            .strip_suffix(']')
            .and_then(|index| index.parse::<usize>().ok())
        {
            Some(index) => &value[index],
            None => &value[step],
        }
    })
}

#[cfg(test)]
mod tests;
