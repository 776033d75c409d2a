//! The reference page of each kind: prose by hand, and beside it what the schema and the list of
//! reasons say.

use std::fmt::Write as _;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use kube::CustomResourceExt as _;

use super::GeneratedFile;
use super::reasons::{self, Scope};
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};

/// The page of each kind.
pub(super) fn pages() -> Vec<GeneratedFile> {
    vec![
        page(
            "docs/spec/imagewatch.md",
            include_str!("spec/imagewatch.md"),
            &ImageWatch::crd(),
            Scope::Watch,
        ),
        page(
            "docs/spec/imageupdatepolicy.md",
            include_str!("spec/imageupdatepolicy.md"),
            &ImageUpdatePolicy::crd(),
            Scope::Policy,
        ),
    ]
}

fn page(
    path: &'static str,
    template: &str,
    crd: &CustomResourceDefinition,
    scope: Scope,
) -> GeneratedFile {
    let version = crd.spec.versions.first();
    let schema = version
        .and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref())
        .expect("a kind of ours has a version with a schema");
    let part = |name: &str| {
        let properties = schema.properties.iter().flatten();
        let found = properties.into_iter().find(|(key, _)| *key == name);
        found.map_or_else(String::new, |(_, schema)| fields(name, schema))
    };
    let rules = schema.properties.iter().flatten();
    let rules = rules.filter(|(name, _)| *name == "spec").fold(
        String::new(),
        |mut text, (name, schema)| {
            list_rules(name, schema, &mut text);
            text
        },
    );
    let content = template
        .replace("{{spec}}", &part("spec"))
        .replace("{{status}}", &part("status"))
        .replace("{{rules}}", &rules)
        .replace("{{columns}}", &columns(crd))
        .replace("{{reasons}}", &reasons::table(scope));
    GeneratedFile { path, content }
}

fn columns(crd: &CustomResourceDefinition) -> String {
    let mut text = String::from("| Column | From |\n|---|---|\n");
    let columns = crd.spec.versions.iter();
    for column in columns.flat_map(|version| version.additional_printer_columns.iter().flatten()) {
        let wide = match column.priority {
            Some(priority) if priority > 0 => " (with `-o wide`)",
            Some(_) | None => "",
        };
        line(
            &mut text,
            &format!("| {}{wide} | `{}` |", column.name, column.json_path),
        );
    }
    text
}

/// A table of everything below `schema`, depth first.
fn fields(root: &str, schema: &JSONSchemaProps) -> String {
    let mut text = String::from("| Field | Type | Default | Meaning |\n|---|---|---|---|\n");
    list_fields(root, schema, &mut text);
    text
}

fn list_fields(path: &str, schema: &JSONSchemaProps, text: &mut String) {
    let required = schema.required.as_deref().unwrap_or_default();
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        let default = match &field.default {
            Some(default) => format!("`{}`", default.0),
            None if required.contains(name) => "required".to_owned(),
            None => String::new(),
        };
        let meaning = field.description.as_deref().unwrap_or_default();
        line(
            text,
            &format!(
                "| `{path}` | {} | {} | {} |",
                type_of(field),
                cell(&default),
                cell(meaning)
            ),
        );
        match items(field) {
            Some(item) => list_fields(&format!("{path}[]"), item, text),
            None => list_fields(&path, field, text),
        }
    }
}

fn type_of(schema: &JSONSchemaProps) -> String {
    let kind = schema.type_.as_deref().unwrap_or("any");
    let mut text = match (items(schema), &schema.enum_) {
        (Some(item), _) => format!("list of {}", type_of(item)),
        (None, Some(values)) => {
            let values: Vec<String> = values
                .iter()
                .map(|value| format!("`{}`", value.0))
                .collect();
            values.join(" ").replace('"', "")
        }
        (None, None) => kind.to_owned(),
    };
    let bounds = [
        (schema.min_length, "at least", "characters"),
        (schema.max_length, "at most", "characters"),
        (schema.min_items, "at least", "items"),
        (schema.max_items, "at most", "items"),
    ];
    for (bound, relation, unit) in bounds {
        match bound {
            Some(bound) if bound > 1 || relation == "at most" => {
                // Writing to a String does not fail.
                write!(text, ", {relation} {bound} {unit}").ok();
            }
            Some(_) | None => {}
        }
    }
    text
}

fn items(schema: &JSONSchemaProps) -> Option<&JSONSchemaProps> {
    match schema.items.as_ref()? {
        JSONSchemaPropsOrArray::Schema(schema) => Some(schema),
        JSONSchemaPropsOrArray::Schemas(schemas) => schemas.first(),
    }
}

/// What the API server refuses by the rules of the schema, in its own words.
fn list_rules(path: &str, schema: &JSONSchemaProps, text: &mut String) {
    for rule in schema.x_kubernetes_validations.iter().flatten() {
        let message = rule.message.as_deref().unwrap_or(&rule.rule);
        line(text, &format!("- `{path}`: {message}"));
    }
    for (name, field) in schema.properties.iter().flatten() {
        let path = format!("{path}.{name}");
        match items(field) {
            Some(item) => list_rules(&format!("{path}[]"), item, text),
            None => list_rules(&path, field, text),
        }
    }
}

/// Text that may stand in a cell of a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
