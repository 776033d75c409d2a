//! Alerts, their runbooks and the dashboard: each alert fires when it should, and every query names
//! metrics and labels that the operator has.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use image_update_operator::metrics::{Kind, TABLE};
use image_update_testkit::stack::Assets;
use serde_json::{Value, json};

/// What Prometheus puts on every series that it scrapes of a pod.
const TARGET_LABELS: [&str; 4] = ["instance", "job", "namespace", "pod"];

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(project(path)).expect("it can be read")
}

fn yaml(path: &str) -> Value {
    serde_yaml::from_str(&read(path)).expect("it is YAML")
}

/// Runs promtool; what it said to both, and whether it is content.
#[expect(clippy::disallowed_methods, reason = "Prometheus' own tool judges")]
fn promtool(arguments: &[&str], input: &str) -> (bool, String) {
    let promtool = Assets::locate().and_then(|assets| assets.promtool());
    let mut child = Command::new(promtool.expect("the stack is built"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // It may end without having read all.
    stdin.write_all(input.as_bytes()).ok();
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.push_str(&String::from_utf8_lossy(&output.stderr));
    (output.status.success(), said)
}

/// What `promtool check metrics` finds fault with, a line each.
pub(crate) fn complaints(metrics: &str) -> BTreeSet<String> {
    let (_, said) = promtool(&["check", "metrics"], metrics);
    said.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The alerts: name and rule.
fn alerts() -> BTreeMap<String, Value> {
    let file = yaml("charts/image-update-operator/files/alerts.yaml");
    let groups = file["groups"].as_array().expect("there are groups");
    let rules = groups.iter().filter_map(|group| group["rules"].as_array());
    let alerts: BTreeMap<String, Value> = rules
        .flatten()
        .map(|rule| {
            let name = rule["alert"].as_str().expect("each rule is an alert");
            (name.to_owned(), rule.clone())
        })
        .collect();
    assert!(alerts.len() >= 8, "{alerts:?}");
    alerts
}

#[test]
fn alerts_fire_when_they_should_with_the_words_that_they_should() {
    let tests = project("tests/alerts/alerts.yaml").display().to_string();
    let (is_content, said) = promtool(&["test", "rules", &tests], "");
    assert!(is_content, "{said}");
}

#[test]
fn prometheus_reads_the_alerts_that_need_no_chart() {
    let file = project("config/alerts.yaml").display().to_string();
    let (is_content, said) = promtool(&["check", "rules", &file], "");
    assert!(is_content, "{said}");
    let count = format!("{} rules found", alerts().len());
    assert!(said.contains(&count), "{said}");
}

#[test]
fn each_alert_is_tested_firing_and_silent() {
    let file = yaml("tests/alerts/alerts.yaml");
    let (mut firing, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for test in file["tests"].as_array().into_iter().flatten() {
        for case in test["alert_rule_test"].as_array().into_iter().flatten() {
            let name = case["alertname"].as_str().unwrap_or_default().to_owned();
            let expected = case["exp_alerts"].as_array();
            if expected.is_some_and(Vec::is_empty) {
                silent.insert(name);
            } else {
                firing.insert(name);
            }
        }
    }
    let alerts: BTreeSet<String> = alerts().into_keys().collect();
    assert_eq!(firing, alerts);
    assert_eq!(silent, alerts);
}

#[test]
fn each_alert_has_a_runbook_and_no_other_page_is_there() {
    let index = read("docs/runbooks/README.md");
    let mut pages = BTreeSet::new();
    for entry in std::fs::read_dir(project("docs/runbooks")).expect("there are runbooks") {
        let name = entry.expect("it can be read").file_name();
        let name = name.to_string_lossy();
        if let Some(name) = name.strip_suffix(".md").filter(|name| *name != "README") {
            assert!(index.contains(&format!("]({name}.md)")), "{name}: no link");
            pages.insert(name.to_owned());
        }
    }
    let alerts = alerts();
    assert_eq!(pages, alerts.keys().cloned().collect());
    for (name, rule) in alerts {
        let page = read(&format!("docs/runbooks/{name}.md"));
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        let start = format!("# {name}\n\nSeverity: {severity}.\n");
        assert!(
            page.starts_with(&start),
            "{name} does not begin so: {start}"
        );
    }
}

/// All queries of ours, each with where it stands.
fn queries() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (name, rule) in alerts() {
        let query = rule["expr"].as_str().expect("an alert has a query");
        found.push((name, query.to_owned()));
    }
    let dashboard = "charts/image-update-operator/files/dashboards/image-update-operator.json";
    let before = found.len();
    for panel in yaml(dashboard)["panels"].as_array().into_iter().flatten() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().expect("a target has a query");
            found.push((panel["title"].to_string(), query.to_owned()));
        }
    }
    assert!(found.len() > before + 20, "the dashboard has panels");
    let before = found.len();
    for (path, text) in crate::tidy::files("docs", ".md") {
        for block in text.split("```promql\n").skip(1) {
            let query = block.split("```").next().unwrap_or_default();
            found.push((path.display().to_string(), query.to_owned()));
        }
    }
    assert!(found.len() > before + 5, "documents have queries");
    found
}

#[test]
fn prometheus_reads_every_query() {
    let rules: Vec<Value> = queries()
        .iter()
        .enumerate()
        // Grafana puts a duration there.
        .map(|(at, (_, query))| (at, query.replace("$__rate_interval", "5m")))
        .map(|(at, query)| json!({"record": format!("query:{at}"), "expr": query}))
        .collect();
    let file = json!({"groups": [{"name": "queries", "rules": rules}]}).to_string();
    let (is_content, said) = promtool(&["check", "rules"], &file);
    assert!(is_content, "{said}");
}

#[test]
fn every_query_names_metrics_and_labels_that_are_there() {
    let problems: Vec<String> = queries()
        .iter()
        .flat_map(|(place, query)| {
            let problems = strangers(query).into_iter();
            problems.map(move |problem| format!("{place}: {problem}"))
        })
        .collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

/// What a query names that no metric of the table has.
fn strangers(query: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut known: BTreeSet<&str> = TARGET_LABELS.into();
    let mut rest = query;
    // Metrics first, since `by` may stand before or after them.
    while let Some((word, after)) = next_word(rest) {
        rest = after;
        if !["image_update_", "argocd_"]
            .iter()
            .any(|it| word.starts_with(it))
        {
            continue;
        }
        let Some(labels) = labels_of(word) else {
            problems.push(format!("no metric {word}"));
            continue;
        };
        known.extend(&labels);
        if let Some(matchers) = rest.strip_prefix('{') {
            for label in matched_labels(matchers) {
                if !labels.contains(&label) && !TARGET_LABELS.contains(&label) {
                    problems.push(format!("{word} has no label {label}"));
                }
            }
        }
    }
    for grouping in ["by (", "on (", "without ("] {
        for part in query.split(grouping).skip(1) {
            let inside = part.split(')').next().unwrap_or_default();
            let strangers = inside.split(',').map(str::trim);
            let strangers = strangers.filter(|label| !known.contains(label));
            problems.extend(strangers.map(|label| format!("no label {label} to group by")));
        }
    }
    problems
}

/// The labels of a series: of a histogram there are three.
fn labels_of(series: &str) -> Option<Vec<&'static str>> {
    TABLE.iter().find_map(|definition| {
        let suffix = series.strip_prefix(definition.name)?;
        let mut labels = definition.labels.to_vec();
        match (definition.kind, suffix) {
            (Kind::Histogram(_), "_bucket") => labels.push("le"),
            (Kind::Histogram(_), "_sum" | "_count") | (Kind::Counter | Kind::Gauge, "") => {}
            (Kind::Histogram(_) | Kind::Counter | Kind::Gauge, _) => return None,
        }
        Some(labels)
    })
}

/// The labels of `a="x",b=~"y"}…`, outside of the quotes.
fn matched_labels(matchers: &str) -> Vec<&str> {
    let mut labels = Vec::new();
    for (at, part) in matchers.split('"').enumerate() {
        let is_outside = at % 2 == 0;
        if is_outside && part.starts_with('}') {
            break;
        }
        if is_outside {
            let label = part.trim_matches(|it: char| !it.is_ascii_alphanumeric() && it != '_');
            labels.push(label);
        }
    }
    labels
}

/// The next name outside of quotes, and what follows it.
fn next_word(text: &str) -> Option<(&str, &str)> {
    let is_name = |it: char| it.is_ascii_alphanumeric() || it == '_';
    let mut rest = text;
    loop {
        let start = rest.find(|it| is_name(it) || it == '"')?;
        rest = &rest[start..];
        let Some(quoted) = rest.strip_prefix('"') else {
            let end = rest.find(|it| !is_name(it)).unwrap_or(rest.len());
            return Some(rest.split_at(end));
        };
        rest = &quoted[quoted.find('"')? + 1..];
    }
}

#[test]
fn a_name_that_is_not_there_is_noticed() {
    #[track_caller]
    fn check(query: &str, expected: &[&str]) {
        assert_eq!(strangers(query), expected, "{query}");
    }
    check("sum by (kind) (image_update_stalled)", &[]);
    check(
        "image_update_stalled{kind=\"a\",job=~\"image_update_b\"} > 0",
        &[],
    );
    check(
        "image_update_stalledd",
        &["no metric image_update_stalledd"],
    );
    check(
        "image_update_stalled{reason!=\"a\"}",
        &["image_update_stalled has no label reason"],
    );
    check(
        "sum(image_update_stalled) by (reason)",
        &["no label reason to group by"],
    );
    check(
        "rate(image_update_scan_duration_seconds[5m])",
        &["no metric image_update_scan_duration_seconds"],
    );
    check(
        "sum by (le) (rate(image_update_scan_duration_seconds_bucket{outcome=\"error\"}[5m]))",
        &[],
    );
}
