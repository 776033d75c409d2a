//! What the chart renders, and what it refuses.

use std::collections::BTreeSet;

use image_update_core::registries_conf::RegistriesConf;
use serde_json::{Value, json};

use super::render::{
    NAMESPACE, arguments, bare, command, everything, folder, helm, namespaced, project, refusal,
    rendered, the,
};

#[test]
fn helm_finds_nothing_to_complain_about() {
    let chart = folder().display().to_string();
    for values in [json!({}), everything(), namespaced(), bare()] {
        let output = helm(&["lint", "--strict", &chart], &values);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{values}: {said}");
    }
}

#[test]
fn the_version_is_that_of_the_program() {
    let text = std::fs::read_to_string(folder().join("Chart.yaml")).expect("it can be read");
    let chart: Value = serde_yaml::from_str(&text).expect("it is YAML");
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
    let image = container(&rendered(&json!({}), NAMESPACE))["image"].clone();
    let image = image.as_str().expect("an image is text");
    assert!(
        image.ends_with(concat!(":", env!("CARGO_PKG_VERSION"))),
        "{image}"
    );
}

#[test]
fn the_image_is_built_by_the_pinned_compiler_and_has_no_root() {
    let read = |name| std::fs::read_to_string(project(name)).expect("it can be read");
    let (toolchain, dockerfile) = (read("rust-toolchain.toml"), read("Dockerfile"));
    let channel = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = \"")?.strip_suffix('"'));
    let channel = channel.expect("the toolchain is pinned");
    let from = format!("FROM docker.io/library/rust:{channel}-slim");
    assert!(dockerfile.contains(&from), "{from}");
    // By number: a cluster can't tell whether a name is root.
    assert!(dockerfile.contains("\nUSER 65532:65532\n"));
}

#[test]
fn the_operator_takes_the_arguments() {
    for values in [json!({}), everything(), namespaced(), bare()] {
        let mut operator = command(env!("CARGO_BIN_EXE_image-update-operator").as_ref());
        operator.args(arguments(&rendered(&values, NAMESPACE)));
        operator.env("KUBECONFIG", "/nonexistent");
        let output = operator.output().expect("the operator runs");
        // 2 would mean that the arguments are wrong; there is no cluster, so it can't be 0.
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{values}: {said}");
    }
}

#[test]
fn the_operator_reads_the_file_about_registries() {
    let objects = rendered(&everything(), NAMESPACE);
    let mut files = objects
        .iter()
        .filter_map(|object| object["data"]["registries.conf"].as_str());
    let file = files.next().expect("there is a file");
    let file = RegistriesConf::parse(file.as_bytes());
    let names: Vec<String> = file
        .expect("the file has no problems")
        .registries
        .into_iter()
        .map(|registry| registry.name)
        .collect();
    assert_eq!(names, ["Docker Hub", "ours"]);
}

#[test]
fn the_pod_lives_longer_than_a_write_may_take() {
    let objects = rendered(&json!({"config": {"shutdownTimeout": 100}}), NAMESPACE);
    let pod = &the(&objects, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["terminationGracePeriodSeconds"], 105);
}

#[test]
fn an_operator_of_some_namespaces_has_no_right_in_others() {
    let objects = rendered(&namespaced(), NAMESPACE);
    let roles: Vec<(&str, &str)> = objects
        .iter()
        .filter(|object| object["apiVersion"] == "rbac.authorization.k8s.io/v1")
        .map(|object| {
            let text = |value: &'static str| object.pointer(value).and_then(Value::as_str);
            (
                text("/kind").unwrap_or_default(),
                text("/metadata/namespace").unwrap_or_default(),
            )
        })
        .collect();
    let mut expected = vec![
        ("Role", "team-a"),
        ("Role", "team-b"),
        // One for the Secrets of registries, one for the Lease.
        ("Role", NAMESPACE),
        ("Role", NAMESPACE),
        ("RoleBinding", "team-a"),
        ("RoleBinding", "team-b"),
        ("RoleBinding", NAMESPACE),
        ("RoleBinding", NAMESPACE),
    ];
    let mut found = roles;
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert_eq!(secrets_of(&objects, "team-a"), json!(["git", "pull"]));
    assert_eq!(secrets_of(&objects, NAMESPACE), json!(["a", "b"]));
}

/// The Secrets that a role of a namespace names.
#[track_caller]
fn secrets_of(objects: &[Value], namespace: &str) -> Value {
    let roles = objects
        .iter()
        .filter(|it| it["kind"] == "Role" && it["metadata"]["namespace"] == namespace);
    let mut granted = roles.flat_map(|it| it["rules"].as_array().expect("a role has rules"));
    let secrets = granted.find(|rule| rule["resources"] == json!(["secrets"]));
    secrets.expect("Secrets may be read")["resourceNames"].clone()
}

#[test]
fn nothing_is_made_that_is_switched_off() {
    let objects = rendered(&bare(), NAMESPACE);
    let kinds: Vec<&Value> = objects.iter().map(|object| &object["kind"]).collect();
    assert_eq!(kinds, ["Deployment"]);
    let pod = &the(&objects, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "mine");
    assert_eq!(pod["volumes"], Value::Null);
    assert_eq!(container(&objects)["volumeMounts"], Value::Null);
}

#[test]
fn definitions_stay_unless_they_need_not() {
    for (keep, expected) in [(true, json!("keep")), (false, Value::Null)] {
        let objects = rendered(&json!({"crds": {"keep": keep}}), NAMESPACE);
        let definitions: Vec<&Value> = objects
            .iter()
            .filter(|object| object["kind"] == "CustomResourceDefinition")
            .collect();
        assert_eq!(definitions.len(), 2);
        for definition in definitions {
            let policy = &definition["metadata"]["annotations"]["helm.sh/resource-policy"];
            assert_eq!(*policy, expected);
        }
    }
}

#[test]
fn each_alert_leads_to_its_runbook_and_any_may_be_left_out() {
    let objects = rendered(&everything(), NAMESPACE);
    let mut seen = 0;
    for group in the(&objects, "PrometheusRule")["spec"]["groups"]
        .as_array()
        .into_iter()
        .flatten()
    {
        for rule in group["rules"].as_array().into_iter().flatten() {
            let name = rule["alert"].as_str().expect("each rule is an alert");
            assert_ne!(name, "ImageUpdateNotReady", "it was left out");
            let url = format!("https://wiki.example.com/runbooks/{name}.md");
            assert_eq!(rule["annotations"]["runbook_url"], url.as_str());
            seen += 1;
        }
    }
    assert!(seen > 6, "{seen} alerts");
}

#[test]
fn prometheus_finds_the_metrics_of_the_pod() {
    let objects = rendered(&everything(), NAMESPACE);
    let monitor = the(&objects, "ServiceMonitor");
    // That of webhooks has the same labels, and no port of that name.
    let port = &monitor["spec"]["endpoints"][0]["port"];
    let mut services = objects
        .iter()
        .filter(|it| it["kind"] == "Service" && it["spec"]["ports"][0]["name"] == *port);
    let service = services.next().expect("there is a Service");
    assert!(services.next().is_none(), "there is one");
    let selector = &monitor["spec"]["selector"]["matchLabels"];
    for (label, value) in selector.as_object().expect("labels are selected") {
        assert_eq!(service["metadata"]["labels"][label], *value);
    }
    let namespaces = &monitor["spec"]["namespaceSelector"]["matchNames"];
    assert_eq!(*namespaces, json!([NAMESPACE]), "it stands in another one");
    let port = &service["spec"]["ports"][0];
    let pod = &the(&objects, "Deployment")["spec"]["template"];
    for (label, value) in service["spec"]["selector"].as_object().expect("labels") {
        assert_eq!(pod["metadata"]["labels"][label], *value);
    }
    assert_eq!(container(&objects)["ports"][0]["name"], port["targetPort"]);
}

/// The flags of `run`, as its help names them.
fn flags() -> BTreeSet<String> {
    let output = command(env!("CARGO_BIN_EXE_image-update-operator").as_ref())
        .args(["run", "--help"])
        .output()
        .expect("the operator runs");
    let help = String::from_utf8(output.stdout).expect("help is text");
    let lines = help.lines().map(str::trim);
    // `-h, --help` is none of the operator's.
    let flags = lines.filter_map(|line| line.strip_prefix("--"));
    let name = |flag: &str| flag.split([' ', '=', '[']).next().map(str::to_owned);
    flags.filter_map(name).collect()
}

#[test]
fn every_flag_is_a_value_or_may_be_an_extra_argument() {
    let named: BTreeSet<String> = [everything(), namespaced(), json!({})]
        .iter()
        .flat_map(|values| arguments(&rendered(values, NAMESPACE)))
        .filter_map(|argument| Some(argument.strip_prefix("--")?.split('=').next()?.to_owned()))
        .collect();
    let flags = flags();
    assert!(flags.len() > 15, "{flags:?}");
    assert!(named.is_subset(&flags), "{named:?} of {flags:?}");
    // Said once by the chart, an argument can't be said again; all others can be.
    let rest: Vec<&String> = flags.difference(&named).collect();
    let extra: Vec<String> = rest.iter().map(|flag| format!("--{flag}=x")).collect();
    let given = arguments(&rendered(&json!({"extraArgs": extra}), NAMESPACE));
    for flag in rest {
        let count = given
            .iter()
            .filter(|it| it.split('=').next() == Some(&format!("--{flag}")))
            .count();
        assert_eq!(count, 1, "{flag}: {given:?}");
    }
}

#[track_caller]
fn refuses(values: &Value, words: &str) {
    let said = refusal(values);
    assert!(said.contains(words), "{values}: {said}");
}

#[test]
fn values_that_mean_nothing_are_refused() {
    refuses(&json!({"watchNamespace": "a"}), "watchNamespace");
    refuses(&json!({"config": {"concurrency": 0}}), "concurrency");
    refuses(
        &json!({"config": {"shutdownTimeout": 601}}),
        "shutdownTimeout",
    );
    refuses(&json!({"image": {"digest": "sha256:0"}}), "digest");
    refuses(
        &json!({"config": {"registries": [{"name": "a", "api_url": "a.example"}]}}),
        "api_url",
    );
    refuses(
        &json!({"config": {"allowExtCredentials": true}}),
        "config.allowExtCredentials needs config.registries",
    );
    refuses(
        &json!({"replicaCount": 2, "config": {"shards": 3}}),
        "config.shards needs a replicaCount of at least 3",
    );
    refuses(
        &json!({"config": {"debugAddress": "0.0.0.0:8083"}}),
        "debugAddress",
    );
    refuses(&json!({"config": {"notify": {"events": []}}}), "events");
    refuses(
        &json!({"metrics": {"serviceMonitor": {"enabled": true}}}),
        "metrics.serviceMonitor needs metrics.enabled",
    );
    refuses(
        &json!({"metrics": {"prometheusRule": {"enabled": true, "without": ["ImageUpdateGone"]}}}),
        "there is no alert ImageUpdateGone",
    );
    refuses(
        &json!({"webhook": {"ingress": {"enabled": true}}}),
        "webhook.ingress.enabled needs webhook.enabled",
    );
    refuses(
        &json!({"serviceAccount": {"create": false}}),
        "serviceAccount.name is needed",
    );
}

fn container(objects: &[Value]) -> &Value {
    &the(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]
}
