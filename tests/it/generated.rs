//! Generated files are committed, and these tests say when one is stale.

use std::path::Path;

use image_update_operator::generate::{self, GeneratedFile};
use serde_json::{Value, json};

#[test]
fn crds_are_what_the_types_say() {
    for file in generate::crds() {
        check(&file);
    }
}

#[test]
fn roles_and_copies_of_crds_are_what_the_code_says() {
    for file in generate::manifests() {
        check(&file);
    }
}

#[test]
fn references_are_what_the_code_says() {
    for file in generate::references() {
        check(&file);
    }
}

/// The names of all properties, at any depth.
fn properties(schema: &Value, names: &mut Vec<String>) {
    let parts = match schema {
        Value::Object(parts) => parts.values().collect(),
        Value::Array(parts) => parts.iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    for part in parts {
        properties(part, names);
    }
    let fields = schema["properties"].as_object();
    names.extend(fields.into_iter().flatten().map(|(name, _)| name.clone()));
}

#[test]
fn no_field_has_a_name_that_kubectl_reads_as_true_or_false() {
    let mut names = Vec::new();
    for file in generate::crds() {
        let definition = serde_yaml::from_str(&file.content).expect("it is YAML");
        properties(&definition, &mut names);
    }
    assert!(names.len() > 100, "{names:?}");
    // The words of YAML 1.1, by which kubectl, helm and Argo CD read what people write.
    for word in ["y", "n", "yes", "no", "on", "off"] {
        assert!(!names.iter().any(|name| name == word), "{word}");
    }
}

/// What is wrong with the descriptions below a schema, which `kubectl explain` shows as they are.
fn faults(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let text = field["description"].as_str().unwrap_or_default();
        let begins_well = text.starts_with(|it: char| it.is_uppercase() || it == '`');
        // Markup of rustdoc: links, and paths of types.
        // Only before an item of a list, and between paragraphs.
        let lines = text.replace("\n\n", "").replace("\n- ", "");
        let is_wrapped = lines.contains('\n');
        let has_markup = ["](", "][", "[`", "::"].iter().any(|it| text.contains(it));
        if !begins_well || !text.ends_with('.') || has_markup || is_wrapped {
            found.push(format!("{path}: {text:?}"));
        }
        faults(field, &path, found);
    }
    for part in ["items", "additionalProperties"] {
        if schema[part].is_object() {
            faults(&schema[part], path, found);
        }
    }
}

#[test]
fn every_field_is_described_in_sentences_without_markup() {
    let mut found = Vec::new();
    for file in generate::crds() {
        let definition: Value = serde_yaml::from_str(&file.content).expect("it is YAML");
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let kind = definition["spec"]["names"]["kind"].as_str();
        faults(
            schema,
            kind.expect("a definition names its kind"),
            &mut found,
        );
    }
    // Conditions are Kubernetes' own type, in its own words.
    found.retain(|it| !it.contains(".status.conditions."));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn a_description_that_reads_badly_is_noticed() {
    #[track_caller]
    fn check(text: &str, is_good: bool) {
        let mut found = Vec::new();
        let schema = json!({"items": {"properties": {"a": {"description": text}}}});
        faults(&schema, "Kind", &mut found);
        assert_eq!(found.is_empty(), is_good, "{found:?}");
    }
    check("The tag. Unset: none.", true);
    check("`own` or `all`.", true);
    check("One.\n\nTwo.", true);
    check("One\nline.", false);
    check("", false);
    check("the tag.", false);
    check("The tag", false);
    check("What [`Tag`] says.", false);
    check("As api::Tag.", false);
}

/// Compares a generated file with the committed one; `UPDATE_GOLDENS=1` writes it instead.
#[track_caller]
pub(crate) fn check(file: &GeneratedFile) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file.path);
    if is_updating() {
        std::fs::write(&path, &file.content).expect("the project's folder can be written");
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        committed, file.content,
        "{} is stale; run: make generate",
        file.path
    );
}

/// Whether expected output is to be written and not compared.
#[expect(clippy::disallowed_methods, reason = "tests may read the environment")]
pub(crate) fn is_updating() -> bool {
    std::env::var("UPDATE_GOLDENS").is_ok_and(|value| value == "1")
}
