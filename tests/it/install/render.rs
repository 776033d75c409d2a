//! Runs helm and kustomize, and reads what they print.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image_update_testkit::chart;
use image_update_testkit::stack::Assets;
use serde_json::{Value, json};

/// The name of the release, which is that of the chart, so that objects have no longer one.
pub(super) const RELEASE: &str = "image-update-operator";

/// Where the operator is installed.
pub(super) const NAMESPACE: &str = "image-update-system";

/// A path of the project.
pub(super) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The chart's folder.
pub(super) fn folder() -> PathBuf {
    project("charts/image-update-operator")
}

/// Runs helm in a home of its own, with `values` as a file.
pub(super) fn helm(arguments: &[&str], values: &Value) -> Output {
    chart::helm(arguments, values).expect("helm runs")
}

/// The objects of the chart with `values`, in `namespace`.
#[track_caller]
pub(super) fn rendered(values: &Value, namespace: &str) -> Vec<Value> {
    let objects = chart::render(&folder(), RELEASE, namespace, values);
    objects.expect("helm renders the chart with the values")
}

/// What helm says to `values` that it does not take.
#[track_caller]
pub(super) fn refusal(values: &Value) -> String {
    match chart::render(&folder(), RELEASE, NAMESPACE, values) {
        Err(chart::Error::Refused { said, .. }) => said.to_string(),
        other => unreachable!("{values} is taken, or helm is not there: {other:?}"),
    }
}

/// What kustomize makes of a folder of `config`.
#[track_caller]
pub(super) fn kustomized(folder: &Path) -> String {
    let kustomize = Assets::locate().and_then(|assets| assets.kustomize());
    let output = command(&kustomize.expect("the stack is built"))
        .arg("build")
        .arg(folder)
        .output()
        .expect("kustomize runs");
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {problem}", folder.display());
    // Deprecations are said so.
    assert!(problem.is_empty(), "{}: {problem}", folder.display());
    String::from_utf8(output.stdout).expect("YAML is text")
}

/// The documents of a file with objects.
#[track_caller]
pub(super) fn objects(yaml: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(yaml).expect("YAML is text");
    let documents = serde_yaml::from_multiple::<Value>(text).expect("what is rendered is YAML");
    documents.into_iter().filter(|it| !it.is_null()).collect()
}

/// The one object of a kind.
#[track_caller]
pub(super) fn the<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found: Vec<&Value> = objects.iter().filter(|it| it["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "one {kind}");
    found[0]
}

/// The arguments of the operator's container.
#[track_caller]
pub(super) fn arguments(objects: &[Value]) -> Vec<String> {
    let container = &the(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_array().expect("there are arguments");
    arguments
        .iter()
        .map(|argument| argument.as_str().expect("arguments are text").to_owned())
        .collect()
}

/// Values that use everything that the chart has, at once.
pub(super) fn everything() -> Value {
    let mut values = json!({
        "replicaCount": 2,
        "image": {"tag": "1.2.3", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "pull"}],
        "config": {
            "logLevel": "info,kube=warn",
            "interval": "5m",
            "allowedHosts": ["*.example.com", "git.example.org:8443"],
            "registries": [
                {
                    "name": "Docker Hub", "prefix": "docker.io", "default": true, "limit": 5,
                    "api_url": "https://registry-1.docker.io", "defaultns": "library",
                    "credentials": "secret:team-a/docker-hub#pair",
                },
                {
                    "name": "ours", "prefix": "registry.example.com", "credsexpire": "10h",
                    "api_url": "https://registry.example.com", "credentials": "ext:/scripts/login",
                    "ca_data": "-----BEGIN CERTIFICATE-----\nMII=\n-----END CERTIFICATE-----\n",
                },
            ],
            "allowExtCredentials": true,
            "notify": {"secretName": "inbox", "format": "slack", "events": ["failed", "held"]},
            "shards": 2,
            "debugAddress": "[::1]:8083",
        },
        "argocd": {
            "repositoryCredentials": "all", "legacyAnnotations": false,
            "applicationNamespaces": ["team-a", "team-b"], "healthChecks": true,
        },
        "tracing": {"endpoint": "http://collector:4318", "samplingRatio": 0.25},
        "metrics": watched(),
        "podDisruptionBudget": {"enabled": true, "maxUnavailable": "50%"},
        "crds": {
            "annotations": {"argocd.argoproj.io/sync-wave": "-1"},
            "additionalLabels": {"example.com/d": "d"},
        },
        "serviceAccount": {
            "annotations": {"example.com/role": "a"},
            "labels": {"azure.workload.identity/use": "true"},
        },
        "networkPolicy": {
            "enabled": true,
            "egress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
        },
        "webhook": {
            "enabled": true,
            "secretName": "webhooks",
            "service": {"type": "LoadBalancer", "port": 8080, "annotations": {"example.com/s": "s"}},
            "ingress": {
                "enabled": true,
                "className": "nginx",
                "annotations": {"example.com/i": "i"},
                "host": "hooks.example.com",
                "tlsSecretName": "hooks-tls",
            },
        },
        "cache": {"enabled": false},
        "extraArgs": ["--cache-dir=/cache"],
        "extraEnvFrom": [{"secretRef": {"name": "registry-pairs"}}],
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}],
        "initContainers": [{
            "name": "login", "image": "registry.example.com/login:1",
            "volumeMounts": [{"name": "scripts", "mountPath": "/scripts"}],
        }],
        "extraObjects": [{
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "extra", "namespace": "{{ .Release.Namespace }}"},
            "data": {"release": "{{ .Release.Name }}"},
        }],
    });
    for (name, value) in placed().as_object().into_iter().flatten() {
        values[name] = value.clone();
    }
    values
}

/// Everything about where the pod runs, what it is marked with, and what is mounted.
fn placed() -> Value {
    json!({
        "volumes": [
            {"name": "scripts", "configMap": {"name": "scripts", "defaultMode": 0o555}},
            {"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}},
        ],
        "volumeMounts": [
            {"name": "scripts", "mountPath": "/scripts", "readOnly": true},
            {"name": "cache", "mountPath": "/cache"},
        ],
        "podAnnotations": {"example.com/a": "b"},
        "podLabels": {"example.com/c": "d"},
        "priorityClassName": "system-cluster-critical",
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "only", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{
            "weight": 1,
            "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]},
        }]}},
        "topologySpreadConstraints": [{
            "maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "image-update-operator"}},
        }],
    })
}

/// Everything about metrics.
fn watched() -> Value {
    json!({
        "enabled": true,
        "service": {
            "annotations": {"prometheus.io/scrape": "true"},
            "labels": {"example.com/a": "b"},
            "servicePort": 9090,
        },
        "serviceMonitor": {
            "enabled": true,
            "namespace": "team-a",
            "interval": "1m",
            "additionalLabels": {"release": "prometheus"},
            "relabelings": [{"targetLabel": "cluster", "replacement": "a"}],
            "metricRelabelings": [{"action": "drop", "sourceLabels": ["le"], "regex": "0.01"}],
        },
        "prometheusRule": {
            "enabled": true,
            "namespace": "team-a",
            "additionalLabels": {"release": "prometheus"},
            "without": ["ImageUpdateNotReady"],
            "runbookUrl": "https://wiki.example.com/runbooks/",
        },
        "dashboard": {
            "enabled": true,
            "namespace": "team-a",
            "labels": {"grafana_dashboard": "mine"},
            "annotations": {"grafana_folder": "GitOps"},
        },
    })
}

/// An operator of two namespaces that reads named Secrets only.
pub(super) fn namespaced() -> Value {
    json!({
        "watchNamespaces": ["team-a", "team-b"],
        "rbac": {"secretNames": ["git", "pull"], "aggregate": false},
        "argocd": {"applications": false},
        "config": {"registries": [
            {"name": "a", "api_url": "https://a.example", "prefix": "a.example",
             "credentials": "pullsecret:image-update-system/a"},
            {"name": "b", "api_url": "https://b.example", "prefix": "b.example",
             "credentials": "secret:image-update-system/b#pair"},
            {"name": "c", "api_url": "https://c.example", "prefix": "c.example",
             "credentials": "env:PAIR"},
        ]},
    })
}

/// Values without all that can be left out.
pub(super) fn bare() -> Value {
    json!({
        "crds": {"install": false},
        "rbac": {"create": false},
        "serviceAccount": {"create": false, "name": "mine"},
        "cache": {"enabled": false},
        "image": {"digest": format!("sha256:{}", "a".repeat(64))},
        "fullnameOverride": "updates",
        "resources": null,
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "charts are rendered by helm, kustomizations by kustomize"
)]
pub(super) fn command(program: &Path) -> Command {
    Command::new(program)
}
