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

#[test]
fn every_sample_is_among_those_to_look_at() {
    let rendered = objects(kustomized(&project("config/samples")).as_bytes());
    let folder = std::fs::read_dir(project("config/samples/accepted"));
    let files = folder.expect("there are samples").count();
    assert!(rendered.len() >= files, "{} of {files}", rendered.len());
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

/// What kustomize makes of an overlay with a base and components of `config`; without a namespace, all
/// objects stay where they are.
#[track_caller]
pub(super) fn overlaid(base: &str, components: &[&str], namespace: Option<&str>) -> Vec<Value> {
    let mut kustomization = json!({"resources": [base], "components": components});
    if let Some(namespace) = namespace {
        kustomization["namespace"] = json!(namespace);
    }
    built(kustomization)
}

/// What kustomize makes of an overlay that names bases and components as if it stood in `config`.
#[track_caller]
pub(super) fn built(mut kustomization: Value) -> Vec<Value> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    // Kustomize takes relative paths only.
    let above = folder.path().canonicalize().expect("the folder is there");
    let above = "../".repeat(above.components().count() - 1);
    let config = project("config").display().to_string();
    for names in ["resources", "components"] {
        for name in kustomization[names].as_array_mut().into_iter().flatten() {
            let path = name.as_str().expect("a name is text");
            *name = json!(format!("{above}{}/{path}", config.trim_start_matches('/')));
        }
    }
    let file = folder.path().join("kustomization.yaml");
    std::fs::write(&file, kustomization.to_string()).expect("a file can be written");
    objects(kustomized(folder.path()).as_bytes())
}

/// What the component `webhooks` has as values.
fn webhooks() -> Value {
    json!({"enabled": true, "secretName": "image-update-webhooks"})
}

/// What the component `monitoring` has as values.
fn monitoring() -> Value {
    json!({
        "enabled": true,
        "serviceMonitor": {"enabled": true},
        "prometheusRule": {"enabled": true},
        "dashboard": {"enabled": true},
    })
}

#[track_caller]
fn same(components: &[&str], values: &Value) {
    let chart = comparable(rendered(values, NAMESPACE));
    let mut config = comparable(overlaid("default", components, None));
    config.remove(&format!("Namespace /{NAMESPACE}"));
    assert_eq!(
        chart.keys().collect::<Vec<_>>(),
        config.keys().collect::<Vec<_>>(),
        "{components:?}"
    );
    for (name, object) in &chart {
        assert_eq!(Some(object), config.get(name), "{components:?}: {name}");
    }
}

#[test]
fn components_make_of_the_default_what_values_make_of_the_chart() {
    same(&["webhooks"], &json!({"webhook": webhooks()}));
    same(
        &["high-availability"],
        &json!({"replicaCount": 2, "podDisruptionBudget": {"enabled": true}}),
    );
    same(&["monitoring"], &json!({"metrics": monitoring()}));
    same(
        &[
            "network-policy",
            "monitoring",
            "high-availability",
            "webhooks",
        ],
        &json!({
            "networkPolicy": {"enabled": true},
            "metrics": monitoring(),
            "replicaCount": 2,
            "podDisruptionBudget": {"enabled": true},
            "webhook": webhooks(),
        }),
    );
}

/// The first line of what is made of the chart.
const OF_CHART: &str = "# Generated from the chart; `make generate` writes it anew.\n";

#[test]
fn generated_monitoring_is_what_the_chart_renders() {
    let values = json!({"metrics": monitoring()});
    let mut rendered = comparable(rendered(&values, NAMESPACE));
    for (path, name) in [
        (
            "config/monitoring/service.yaml",
            "Service {}/image-update-operator-metrics",
        ),
        (
            "config/monitoring/service_monitor.yaml",
            "ServiceMonitor {}/image-update-operator",
        ),
        (
            "config/monitoring/prometheus_rule.yaml",
            "PrometheusRule {}/image-update-operator",
        ),
        (
            "config/monitoring/dashboard.yaml",
            "ConfigMap {}/image-update-operator-dashboard",
        ),
    ] {
        let object = rendered.remove(&name.replace("{}", NAMESPACE));
        let object = object.expect("the chart renders it");
        let mut content = OF_CHART.to_owned();
        content.push_str(&serde_yaml::to_string(&object).expect("JSON is YAML"));
        check(&GeneratedFile { path, content });
        if object["kind"] == "PrometheusRule" {
            // For a Prometheus without an operator, as one of its `rule_files`.
            let rules = serde_yaml::to_string(&object["spec"]).expect("JSON is YAML");
            let content = format!("{OF_CHART}{rules}");
            let path = "config/alerts.yaml";
            check(&GeneratedFile { path, content });
        }
    }
}

#[test]
fn an_overlay_of_ones_own_watches_its_own_namespace() {
    let components = [
        "webhooks",
        "high-availability",
        "network-policy",
        "monitoring",
    ];
    let objects = overlaid("namespaced", &components, Some("team-a"));
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
