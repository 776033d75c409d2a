//! What GitOps tools make of our objects: Argo CD, by the health check that we ship, and kstatus,
//! which is Flux' way. Both have to say what the conditions say, and hence the same.
//!
//! [`World`](crate::world::World) asks for every state that a test waits for. Without a Go toolchain
//! that is left out at home and fails in CI.

use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::oracle::Oracle;

/// The two tools.
static ORACLE: LazyLock<Option<Oracle>> = LazyLock::new(|| Oracle::build("gitops-oracle"));

/// Builds what answers, so that no test has to wait for it later.
pub(crate) fn prepare() {
    LazyLock::force(&ORACLE);
}

/// The health check of the chart.
pub(crate) fn health_check() -> String {
    let path = "charts/image-update-operator/files/health.lua";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(path).expect("there is a health check")
}

/// Fails unless both tools say of an object what its conditions say.
#[track_caller]
pub(crate) fn agree(object: &Value) {
    let Some(oracle) = &*ORACLE else {
        return;
    };
    let question = json!({"lua": health_check(), "object": object});
    let answer = oracle.ask(&[question.to_string()]);
    let answer: Value = serde_json::from_str(&answer.join("\n")).expect("answers are JSON");
    let (health, kstatus) = expected(object);
    assert_eq!(
        answer["health"], health,
        "Argo CD says {answer} of {object}"
    );
    assert_eq!(answer["kstatus"], kstatus, "Flux says {answer} of {object}");
    let message = answer["message"].as_str().unwrap_or_default();
    let reason = condition(object, "Ready").map_or("Waiting", |ready| text(&ready["reason"]));
    let is_old = message.starts_with("Waiting for the operator");
    assert!(is_old || message.starts_with(reason), "{message}");
}

/// Health as Argo CD has it, and the status of kstatus.
fn expected(object: &Value) -> (&'static str, &'static str) {
    let is_true = |type_| condition(object, type_).is_some_and(|it| it["status"] == "True");
    let seen = &object["status"]["observedGeneration"];
    if *seen != object["metadata"]["generation"] {
        return ("Progressing", "InProgress");
    }
    if is_true("Stalled") {
        return ("Degraded", "Failed");
    }
    if is_true("Reconciling") {
        return ("Progressing", "InProgress");
    }
    if !is_true("Ready") {
        // Not well, and nothing is tried. kstatus has no word for that.
        return ("Degraded", "InProgress");
    }
    let reason = condition(object, "Ready").map(|ready| text(&ready["reason"]));
    if reason == Some("Suspended") {
        // For kstatus it is as it should be.
        return ("Suspended", "Current");
    }
    ("Healthy", "Current")
}

fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    let mut conditions = object["status"]["conditions"].as_array()?.iter();
    conditions.find(|condition| condition["type"] == type_)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn what_the_operator_has_not_looked_at_yet_is_progressing() {
    let ready = json!([{
        "type": "Ready", "status": "True", "reason": "Succeeded", "message": "up to date",
    }]);
    for status in [
        Value::Null,
        json!({}),
        json!({"observedGeneration": 1, "conditions": ready}),
        json!({"observedGeneration": 1}),
    ] {
        let object = json!({
            "apiVersion": "image-update.dev/v1alpha1", "kind": "ImageWatch",
            "metadata": {"name": "a", "namespace": "b", "generation": 2}, "status": status,
        });
        assert_eq!(expected(&object).0, "Progressing");
        // kstatus takes an object without a status for done: it can't know that there will be one.
        if status["observedGeneration"] == 1 {
            agree(&object);
        }
    }
}
