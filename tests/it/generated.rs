//! Generated files are committed, and these tests say when one is stale.

use std::path::Path;

use image_update_operator::generate::{self, GeneratedFile};
use serde_json::Value;

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
