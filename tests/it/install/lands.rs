//! Where each value of the chart ends up. A value without a row fails.

use serde_json::Value;

/// What a value makes of the objects.
#[derive(Debug)]
enum Place {
    /// It stands there, or is part of what does.
    At(&'static str, &'static str),
    /// It is the operator's flag, lists with commas.
    Flag(&'static str),
    /// There is an object of this kind.
    Is(&'static str),
    /// There is none.
    IsNot(&'static str),
    /// What is there has this text as JSON.
    Says(&'static str, &'static str, &'static str),
    /// None of what is there has this text.
    Lacks(&'static str, &'static str, &'static str),
}

use Place::{At, Flag, Is, IsNot, Lacks, Says};

/// Parts of a Deployment.
const ARGUMENTS: &str = "/spec/template/spec/containers/0/args";
const IMAGE: &str = "/spec/template/spec/containers/0/image";
const VOLUMES: &str = "/spec/template/spec/volumes";

/// The rows, in the order of values.yaml.
const ROWS: &[(&str, Place)] = &[
    ("image.repository", At("Deployment", IMAGE)),
    ("image.tag", At("Deployment", IMAGE)),
    ("image.digest", At("Deployment", IMAGE)),
    (
        "image.pullPolicy",
        At(
            "Deployment",
            "/spec/template/spec/containers/0/imagePullPolicy",
        ),
    ),
    (
        "imagePullSecrets",
        At("Deployment", "/spec/template/spec/imagePullSecrets"),
    ),
    ("nameOverride", At("Deployment", "/metadata/name")),
    ("fullnameOverride", At("Deployment", "/metadata/name")),
    ("replicaCount", At("Deployment", "/spec/replicas")),
    ("crds.install", IsNot("CustomResourceDefinition")),
    (
        "crds.keep",
        Lacks(
            "CustomResourceDefinition",
            "/metadata",
            "helm.sh/resource-policy",
        ),
    ),
    (
        "crds.annotations",
        At("CustomResourceDefinition", "/metadata/annotations"),
    ),
    (
        "crds.additionalLabels",
        At("CustomResourceDefinition", "/metadata/labels"),
    ),
    ("watchNamespaces", Flag("--watch-namespaces")),
    ("config.logLevel", Flag("--log-level")),
    ("config.logFormat", Flag("--log-format")),
    ("config.concurrency", Flag("--concurrency")),
    ("config.interval", Flag("--interval")),
    ("config.shutdownTimeout", Flag("--shutdown-timeout")),
    ("config.allowedHosts", Flag("--allowed-hosts")),
    (
        "config.registries",
        Says(
            "ConfigMap",
            "/data/registries.conf",
            "prefix: registry.example.com",
        ),
    ),
    (
        "config.allowExtCredentials",
        Says("Deployment", ARGUMENTS, "\"--allow-ext-credentials\""),
    ),
    (
        "config.notify.secretName",
        Says("Deployment", VOLUMES, r#""secret":{"secretName":"inbox"}"#),
    ),
    ("config.notify.format", Flag("--notify-format")),
    ("config.notify.events", Flag("--notify-on")),
    ("config.shards", Flag("--shards")),
    ("config.debugAddress", Flag("--debug-address")),
    (
        "argocd.applications",
        Lacks("ClusterRole", "/rules", "argoproj.io"),
    ),
    ("argocd.refresh", Flag("--refresh-applications")),
    ("argocd.namespace", Flag("--argocd-namespace")),
    ("argocd.repositoryCredentials", Flag("--argocd-credentials")),
    ("argocd.legacyAnnotations", Flag("--legacy-annotations")),
    (
        "argocd.applicationNamespaces",
        Flag("--application-namespaces"),
    ),
    (
        "argocd.healthChecks",
        Says("ConfigMap", "/data", "resource.customizations.health"),
    ),
    (
        "webhook.enabled",
        Says(
            "Deployment",
            ARGUMENTS,
            "\"--webhook-address=0.0.0.0:8082\"",
        ),
    ),
    (
        "webhook.secretName",
        Says(
            "Deployment",
            VOLUMES,
            r#""secret":{"secretName":"webhooks"}"#,
        ),
    ),
    ("webhook.service.type", At("Service", "/spec/type")),
    ("webhook.service.port", At("Service", "/spec/ports/0/port")),
    (
        "webhook.service.annotations",
        At("Service", "/metadata/annotations"),
    ),
    ("webhook.ingress.enabled", Is("Ingress")),
    (
        "webhook.ingress.className",
        At("Ingress", "/spec/ingressClassName"),
    ),
    (
        "webhook.ingress.annotations",
        At("Ingress", "/metadata/annotations"),
    ),
    ("webhook.ingress.host", At("Ingress", "/spec/rules/0/host")),
    (
        "webhook.ingress.tlsSecretName",
        At("Ingress", "/spec/tls/0/secretName"),
    ),
    ("cache.enabled", Lacks("Deployment", "/spec", "cache")),
    (
        "cache.sizeLimit",
        At(
            "Deployment",
            "/spec/template/spec/volumes/0/emptyDir/sizeLimit",
        ),
    ),
    ("tracing.endpoint", Flag("--otlp-endpoint")),
    ("tracing.samplingRatio", Flag("--otlp-sampling-ratio")),
    ("metrics.enabled", Is("Service")),
    (
        "metrics.service.annotations",
        At("Service", "/metadata/annotations"),
    ),
    ("metrics.service.labels", At("Service", "/metadata/labels")),
    (
        "metrics.service.servicePort",
        At("Service", "/spec/ports/0/port"),
    ),
    ("metrics.serviceMonitor.enabled", Is("ServiceMonitor")),
    (
        "metrics.serviceMonitor.namespace",
        At("ServiceMonitor", "/metadata/namespace"),
    ),
    (
        "metrics.serviceMonitor.interval",
        At("ServiceMonitor", "/spec/endpoints/0/interval"),
    ),
    (
        "metrics.serviceMonitor.additionalLabels",
        At("ServiceMonitor", "/metadata/labels"),
    ),
    (
        "metrics.serviceMonitor.relabelings",
        At("ServiceMonitor", "/spec/endpoints/0/relabelings"),
    ),
    (
        "metrics.serviceMonitor.metricRelabelings",
        At("ServiceMonitor", "/spec/endpoints/0/metricRelabelings"),
    ),
    ("metrics.prometheusRule.enabled", Is("PrometheusRule")),
    (
        "metrics.prometheusRule.namespace",
        At("PrometheusRule", "/metadata/namespace"),
    ),
    (
        "metrics.prometheusRule.additionalLabels",
        At("PrometheusRule", "/metadata/labels"),
    ),
    (
        "metrics.prometheusRule.without",
        Lacks("PrometheusRule", "/spec", "ImageUpdateNotReady"),
    ),
    (
        "metrics.prometheusRule.runbookUrl",
        Says(
            "PrometheusRule",
            "/spec/groups",
            "\"https://wiki.example.com/runbooks/ImageUpdateStalled.md\"",
        ),
    ),
    (
        "metrics.dashboard.enabled",
        Says("ConfigMap", "/metadata/name", "-dashboard"),
    ),
    (
        "metrics.dashboard.namespace",
        At("ConfigMap", "/metadata/namespace"),
    ),
    (
        "metrics.dashboard.labels",
        At("ConfigMap", "/metadata/labels"),
    ),
    (
        "metrics.dashboard.annotations",
        At("ConfigMap", "/metadata/annotations"),
    ),
    ("serviceAccount.create", IsNot("ServiceAccount")),
    (
        "serviceAccount.name",
        At("Deployment", "/spec/template/spec/serviceAccountName"),
    ),
    (
        "serviceAccount.annotations",
        At("ServiceAccount", "/metadata/annotations"),
    ),
    (
        "serviceAccount.labels",
        At("ServiceAccount", "/metadata/labels"),
    ),
    ("rbac.create", IsNot("ClusterRole")),
    (
        "rbac.secretNames",
        Says(
            "ClusterRole",
            "/rules",
            r#""resourceNames":["a"],"resources":["secrets"]"#,
        ),
    ),
    (
        "rbac.aggregate",
        Lacks("ClusterRole", "/metadata/labels", "aggregate-to"),
    ),
    ("networkPolicy.enabled", Is("NetworkPolicy")),
    ("networkPolicy.egress", At("NetworkPolicy", "/spec/egress")),
    ("podDisruptionBudget.enabled", Is("PodDisruptionBudget")),
    (
        "podDisruptionBudget.maxUnavailable",
        At("PodDisruptionBudget", "/spec/maxUnavailable"),
    ),
    ("extraArgs", At("Deployment", ARGUMENTS)),
    (
        "extraEnv",
        At("Deployment", "/spec/template/spec/containers/0/env"),
    ),
    (
        "extraEnvFrom",
        At("Deployment", "/spec/template/spec/containers/0/envFrom"),
    ),
    (
        "initContainers",
        At("Deployment", "/spec/template/spec/initContainers"),
    ),
    ("volumes", At("Deployment", VOLUMES)),
    (
        "volumeMounts",
        At(
            "Deployment",
            "/spec/template/spec/containers/0/volumeMounts",
        ),
    ),
    (
        "extraObjects",
        // Its template was rendered.
        Says(
            "ConfigMap",
            "/data",
            r#"{"release":"image-update-operator"}"#,
        ),
    ),
    (
        "resources",
        At("Deployment", "/spec/template/spec/containers/0/resources"),
    ),
    (
        "podSecurityContext",
        At("Deployment", "/spec/template/spec/securityContext"),
    ),
    (
        "securityContext",
        At(
            "Deployment",
            "/spec/template/spec/containers/0/securityContext",
        ),
    ),
    (
        "podAnnotations",
        At("Deployment", "/spec/template/metadata/annotations"),
    ),
    (
        "podLabels",
        At("Deployment", "/spec/template/metadata/labels"),
    ),
    (
        "priorityClassName",
        At("Deployment", "/spec/template/spec/priorityClassName"),
    ),
    (
        "nodeSelector",
        At("Deployment", "/spec/template/spec/nodeSelector"),
    ),
    (
        "tolerations",
        At("Deployment", "/spec/template/spec/tolerations"),
    ),
    ("affinity", At("Deployment", "/spec/template/spec/affinity")),
    (
        "topologySpreadConstraints",
        At(
            "Deployment",
            "/spec/template/spec/topologySpreadConstraints",
        ),
    ),
];

/// The values that have rows.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    ROWS.iter().map(|(path, _)| *path)
}

/// Why objects that were rendered with `value` at `path` do not have it where its row says; nothing if
/// they do.
pub(super) fn problem(path: &str, value: &Value, objects: &[Value]) -> Option<String> {
    let Some((_, place)) = ROWS.iter().find(|(row, _)| *row == path) else {
        return Some(format!("{path}: no row says where it lands"));
    };
    let of = |kind: &'static str| objects.iter().filter(move |it| it["kind"] == kind);
    let texts = |kind, pointer| {
        let found = of(kind).filter_map(move |it| it.pointer(pointer));
        found.map(ToString::to_string)
    };
    let is_there = match place {
        At(kind, pointer) => of(kind)
            .filter_map(|it| it.pointer(pointer))
            .any(|it| is_part(value, it)),
        Flag(name) => {
            let flag = Value::from(format!("{name}={}", flat(value)));
            of("Deployment").any(|it| it.pointer(ARGUMENTS).is_some_and(|it| has(it, &flag)))
        }
        Is(kind) => of(kind).next().is_some(),
        IsNot(kind) => of(kind).next().is_none(),
        Says(kind, pointer, text) => texts(kind, pointer).any(|it| it.contains(text)),
        Lacks(kind, pointer, text) => {
            of(kind).next().is_some() && !texts(kind, pointer).any(|it| it.contains(text))
        }
    };
    (!is_there).then(|| format!("{path} = {value} is not {place:?}"))
}

/// Whether `value` is what is there, or part of it: fields of an object, items of a list, or a piece of a
/// text.
fn is_part(value: &Value, there: &Value) -> bool {
    match (value, there) {
        (Value::Object(fields), _) => fields
            .iter()
            .all(|(name, value)| is_part(value, &there[name])),
        (Value::Array(items), _) => items.iter().all(|item| has(there, item)),
        (Value::String(text), Value::String(there)) => there.contains(text.as_str()),
        _ => value == there,
    }
}

fn has(list: &Value, item: &Value) -> bool {
    list.as_array().is_some_and(|it| it.contains(item))
}

/// A value as a flag has it.
fn flat(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(flat).collect::<Vec<_>>().join(","),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}
