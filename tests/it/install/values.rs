//! `values.yaml`: every value does something, the schema knows each and no other, and the chart's
//! README says what they are.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use image_update_operator::generate::GeneratedFile;
use serde_json::{Map, Value, json};

use super::lands;
use super::render::{NAMESPACE, everything, folder, refusal, rendered};
use crate::generated::check;

/// What the README's table follows.
const TABLE: &str = "| Value | Default | Meaning |\n|---|---|---|\n";

/// A value and the comment above it.
#[derive(Debug)]
struct Documented {
    path: String,
    text: String,
}

fn source() -> String {
    std::fs::read_to_string(folder().join("values.yaml")).expect("it can be read")
}

fn defaults() -> Value {
    serde_yaml::from_str(&source()).expect("it is YAML")
}

/// The values that have a comment, in the file's order.
fn documented(source: &str) -> Vec<Documented> {
    let mut found = Vec::new();
    let mut keys: Vec<&str> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in source.lines() {
        let content = line.trim_start();
        if let Some(text) = content.strip_prefix('#') {
            comment.push(text.trim());
            continue;
        }
        if let Some((key, _)) = content.split_once(':') {
            keys.truncate((line.len() - content.len()) / 2);
            keys.push(key);
            if !comment.is_empty() {
                let (path, text) = (keys.join("."), comment.join(" "));
                found.push(Documented { path, text });
            }
        }
        comment.clear();
    }
    found
}

/// Those of them that have a value of their own and not only such below them.
fn leaves(all: &[Documented]) -> Vec<&Documented> {
    let has_parts = |path: &str| {
        let start = format!("{path}.");
        all.iter().any(|other| other.path.starts_with(&start))
    };
    all.iter().filter(|it| !has_parts(&it.path)).collect()
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace('.', "/"))
}

#[test]
fn generated_readme_has_a_row_for_every_value() {
    let (all, defaults) = (documented(&source()), defaults());
    let leaves: Vec<&str> = leaves(&all).iter().map(|it| it.path.as_str()).collect();
    let path = "charts/image-update-operator/README.md";
    let readme = std::fs::read_to_string(super::render::project(path)).expect("it can be read");
    let (text, _) = readme.split_once(TABLE).expect("the README has the table");
    let mut content = format!("{text}{TABLE}");
    for Documented { path, text } in &all {
        let default = match defaults.pointer(&pointer(path)) {
            Some(value) if leaves.contains(&path.as_str()) => format!("`{value}`"),
            _ => String::new(),
        };
        let text = text.replace('|', "\\|");
        // Writing to a String does not fail.
        writeln!(content, "| `{path}` | {default} | {text} |").ok();
    }
    check(&GeneratedFile { path, content });
}

/// The schema as it is committed.
fn schema() -> Value {
    let text = std::fs::read_to_string(folder().join("values.schema.json"));
    serde_json::from_str(&text.expect("it can be read")).expect("it is JSON")
}

#[test]
fn generated_schema_says_what_every_value_means() {
    let mut schema = schema();
    let source = source();
    for Documented { path, text } in documented(&source) {
        let place = format!("/properties/{}", path.replace('.', "/properties/"));
        let value = schema.pointer_mut(&place);
        let value = value.expect("the schema knows the value");
        value["description"] = Value::from(text);
    }
    let mut content = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
    content.push('\n');
    let path = "charts/image-update-operator/values.schema.json";
    check(&GeneratedFile { path, content });
}

#[test]
fn the_schema_knows_every_value_and_no_other() {
    let schema = schema();
    let mut known = BTreeSet::new();
    collect(&schema, "", &mut known);
    // Helm's own.
    known.remove("global");
    let source = source();
    let expected: BTreeSet<String> = documented(&source).into_iter().map(|it| it.path).collect();
    assert_eq!(known, expected);
}

/// The paths of all properties of objects, not of the items of lists.
fn collect(schema: &Value, path: &str, paths: &mut BTreeSet<String>) {
    let properties = schema["properties"].as_object();
    for (name, schema) in properties.into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        collect(schema, &path, paths);
        paths.insert(path);
    }
}

#[test]
fn every_value_does_something_where_it_should() {
    let source = source();
    let all = documented(&source);
    let leaves = leaves(&all);
    let mut problems = Vec::new();
    for leaf in &leaves {
        let (base, other) = variants(&leaf.path);
        let (before, after) = (rendered(&base, NAMESPACE), rendered(&other, NAMESPACE));
        let value = other.pointer(&pointer(&leaf.path));
        let value = value.expect("the variant has another value");
        if lands::problem(&leaf.path, value, &before).is_none() {
            problems.push(format!("{}: it is there without the value, too", leaf.path));
        }
        problems.extend(lands::problem(&leaf.path, value, &after));
    }
    assert!(problems.is_empty(), "{problems:#?}");
    let rows: Vec<&str> = lands::paths().collect();
    let expected: Vec<&str> = leaves.iter().map(|it| it.path.as_str()).collect();
    assert_eq!(rows, expected, "a row for each value, in order");
}

#[test]
fn a_slip_of_the_pen_is_refused_wherever_it_is() {
    let source = source();
    let all = documented(&source);
    let leaves: BTreeSet<String> = leaves(&all).into_iter().map(|it| it.path.clone()).collect();
    let is_leaf = |path: &str| leaves.contains(path);
    let parts = all.iter().map(|it| it.path.as_str());
    let mut seen = 0;
    for part in parts.filter(|path| !is_leaf(path)).chain([""]) {
        let slip = format!("{part}.enabeld");
        let mut values = json!({});
        set(&mut values, slip.trim_start_matches('.'), json!(true));
        let said = refusal(&values);
        assert!(said.contains("'enabeld'"), "{slip}: {said}");
        // It says where, too.
        let place = format!("'{}'", pointer(part).trim_end_matches('/'));
        assert!(said.contains(&place), "{slip}: no {place} in {said}");
        seen += 1;
    }
    assert!(seen > 15, "{seen}");
}

#[test]
fn the_guide_names_values_of_the_old_chart_and_what_they_are_here() {
    let guide = std::fs::read_to_string(super::render::project("docs/guides/install.md"));
    let guide = guide.expect("there is a guide");
    let table = guide
        .split("\n| Value of the old chart | Here |\n|---|---|\n")
        .nth(1);
    let table = table.expect("the guide has the table");
    let source = source();
    let known: BTreeSet<String> = documented(&source).into_iter().map(|it| it.path).collect();
    let names = |cell: &str| -> Vec<String> {
        let words = cell.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    };
    let mut seen = 0;
    for row in table.lines().take_while(|line| line.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let (old, here) = (names(cells[1]), cells[2]);
        let same = if here.starts_with("as ") {
            old
        } else {
            Vec::new()
        };
        for name in same.into_iter().chain(names(here)) {
            // Parts of one that was named before, or fields of policies and Secrets.
            let is_part = known.iter().any(|it| it.ends_with(&format!(".{name}")));
            let is_known = known.contains(&name) || is_part;
            let is_elsewhere = name.starts_with("spec.") || name == "known_hosts";
            assert!(
                is_known || is_elsewhere || name == "selector",
                "{name}: {row}"
            );
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} values");
}

/// Parts of the values, each with what has to be true for the rest of it to count.
const SWITCHES: &[(&str, &[&str])] = &[
    ("metrics.service.", &["metrics.enabled"]),
    (
        "metrics.serviceMonitor.",
        &["metrics.enabled", "metrics.serviceMonitor.enabled"],
    ),
    (
        "metrics.prometheusRule.",
        &["metrics.prometheusRule.enabled"],
    ),
    ("metrics.dashboard.", &["metrics.dashboard.enabled"]),
    ("networkPolicy.", &["networkPolicy.enabled"]),
    ("podDisruptionBudget.", &["podDisruptionBudget.enabled"]),
];

/// Values that differ in the one at `path` alone.
fn variants(path: &str) -> (Value, Value) {
    let all = everything();
    let default = defaults().pointer(&pointer(path)).cloned();
    let default = default.expect("a documented value has a default");
    let mut base = json!({});
    // What only counts where something else is on.
    for (part, switches) in SWITCHES {
        if path.starts_with(part) {
            for switch in switches.iter().filter(|switch| **switch != path) {
                set(&mut base, switch, json!(true));
            }
        }
    }
    let other = match path {
        "tracing.samplingRatio" => {
            set(
                &mut base,
                "tracing.endpoint",
                json!("http://collector:4318"),
            );
            Some(json!(0.5))
        }
        "config.allowExtCredentials" => {
            let registries = all["config"]["registries"].clone();
            set(&mut base, "config.registries", registries);
            None
        }
        "config.notify.format" | "config.notify.events" => {
            set(&mut base, "config.notify.secretName", json!("inbox"));
            None
        }
        "config.shards" => {
            set(&mut base, "replicaCount", json!(2));
            None
        }
        _ if path.starts_with("webhook.") && path != "webhook.enabled" => {
            set(&mut base, "webhook.enabled", json!(true));
            let is_of_ingress = path.starts_with("webhook.ingress.");
            if is_of_ingress && path != "webhook.ingress.enabled" {
                set(&mut base, "webhook.ingress.enabled", json!(true));
            }
            None
        }
        "serviceAccount.create" => {
            set(&mut base, "serviceAccount.name", json!("mine"));
            None
        }
        "image.digest" => Some(json!(format!("sha256:{}", "b".repeat(64)))),
        "image.repository"
        | "nameOverride"
        | "fullnameOverride"
        | "serviceAccount.name"
        | "argocd.namespace" => Some(json!("other")),
        "config.logFormat" => Some(json!("text")),
        "cache.sizeLimit" => Some(json!("2Gi")),
        "watchNamespaces" | "rbac.secretNames" => Some(json!(["a"])),
        "resources" => Some(json!({"limits": {"memory": "1Gi"}})),
        "podSecurityContext" | "securityContext" => Some(json!({"runAsUser": 1000})),
        _ => None,
    };
    let other = other.or_else(|| match &default {
        Value::Bool(value) => Some(json!(!value)),
        Value::Number(value) => value.as_u64().map(|value| json!(value + 1)),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            all.pointer(&pointer(path)).cloned()
        }
    });
    let mut changed = base.clone();
    set(
        &mut changed,
        path,
        other.expect("everything() has another value"),
    );
    (base, changed)
}

/// Sets the value at a path, with whatever is above it.
fn set(values: &mut Value, path: &str, value: Value) {
    match path.split_once('.') {
        None => values[path] = value,
        Some((first, rest)) => {
            if values[first].is_null() {
                values[first] = Value::Object(Map::new());
            }
            set(&mut values[first], rest, value);
        }
    }
}
