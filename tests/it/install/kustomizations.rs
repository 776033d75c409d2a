//! The kustomizations: `install.yaml` is what they make, and what the chart makes.

use std::collections::BTreeMap;

use image_update_operator::generate::{self, GeneratedFile};
use serde_json::{Value, json};

use super::render::{NAMESPACE, kustomized, objects, project, rendered, the};
use crate::generated::check;

/// What `install.yaml` begins with.
const HEADER: &str = "# Generated from config/default; `make generate` writes it anew.\n";

#[test]
fn generated_install_is_what_kustomize_makes_of_default() {
    // Its sources first: they may be written by this run, too.
    for file in generate::manifests() {
        check(&file);
    }
    let content = format!("{HEADER}{}", kustomized(&project("config/default")));
    check(&GeneratedFile {
        path: "config/install.yaml",
        content,
    });
}

#[test]
fn the_chart_and_the_kustomization_install_the_same() {
    let chart = comparable(rendered(&json!({}), NAMESPACE));
    let mut config = comparable(objects(kustomized(&project("config/default")).as_bytes()));
    // Helm makes it by itself, with --create-namespace.
    let namespace = config.remove(&format!("Namespace /{NAMESPACE}"));
    assert!(namespace.is_some());
    assert_eq!(
        chart.keys().collect::<Vec<_>>(),
        config.keys().collect::<Vec<_>>()
    );
    for (name, object) in &chart {
        assert_eq!(Some(object), config.get(name), "{name}");
    }
}

/// Objects by kind, namespace and name, without the marks of the tool that made them.
fn comparable(objects: Vec<Value>) -> BTreeMap<String, Value> {
    let named = objects.into_iter().map(|mut object| {
        let metadata = object["metadata"].as_object_mut();
        let metadata = metadata.expect("an object has metadata");
        metadata.remove("annotations");
        if object["kind"] == "CustomResourceDefinition" {
            // Helm marks these, too; kustomize leaves them as they are.
            object["metadata"]["labels"] = Value::Null;
        }
        if let Some(labels) = object["metadata"]["labels"].as_object_mut() {
            for label in [
                "helm.sh/chart",
                "app.kubernetes.io/version",
                "app.kubernetes.io/managed-by",
            ] {
                labels.remove(label);
            }
        }
        let text = |path| object.pointer(path).and_then(Value::as_str);
        let name = format!(
            "{} {}/{}",
            text("/kind").unwrap_or_default(),
            text("/metadata/namespace").unwrap_or_default(),
            text("/metadata/name").unwrap_or_default()
        );
        (name, object)
    });
    named.collect()
}

#[test]
fn an_overlay_of_ones_own_watches_its_own_namespace() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    // Kustomize takes relative paths only.
    let above = folder.path().canonicalize().expect("the folder is there");
    let mut base = "../".repeat(above.components().count() - 1);
    base.push_str(
        project("config/namespaced")
            .display()
            .to_string()
            .trim_start_matches('/'),
    );
    let kustomization = json!({"namespace": "team-a", "resources": [base]});
    let file = folder.path().join("kustomization.yaml");
    std::fs::write(&file, kustomization.to_string()).expect("a file can be written");
    let objects = objects(kustomized(folder.path()).as_bytes());
    for object in &objects {
        assert_eq!(object["metadata"]["namespace"], "team-a", "{object}");
    }
    let bindings = objects.iter().filter(|it| it["kind"] == "RoleBinding");
    let subjects: Vec<&Value> = bindings.map(|it| &it["subjects"][0]["namespace"]).collect();
    assert_eq!(subjects, ["team-a"; 2]);
    let container = &the(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(
        container["env"],
        json!([{
            "name": "IMAGE_UPDATE_WATCH_NAMESPACES",
            "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
        }])
    );
}
