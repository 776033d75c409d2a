//! What follows from outcomes, row by row.

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).expect("a small time is valid")
}

/// A policy of one image, with a status that says until when it is held.
fn held(until: i64) -> (ImageUpdatePolicy, ImageUpdatePolicyStatus) {
    let policy = serde_json::json!({
        "apiVersion": "image-update.dev/v1alpha1",
        "kind": "ImageUpdatePolicy",
        "metadata": {"name": "app", "namespace": "shop", "uid": "1", "generation": 1},
        "spec": {
            "images": [{"alias": "web", "image": "nginx", "strategy": {"semver": {}}}],
            "writeBack": {"argocd": {}},
        },
    });
    let policy: ImageUpdatePolicy = serde_json::from_value(policy).expect("it is a policy");
    let image = serde_json::json!({
        "alias": "web", "state": "Held", "reason": "TooYoung", "message": "",
        "heldUntil": at(until).to_string(),
    });
    let status = ImageUpdatePolicyStatus {
        observed_generation: Some(1),
        images: vec![serde_json::from_value(image).expect("it is the status of an image")],
        ..ImageUpdatePolicyStatus::default()
    };
    (policy, status)
}

/// The hold of an image ends at second 100; when is the policy looked at after an error?
#[track_caller]
fn check(now: i64) {
    let (policy, status) = held(100);
    let outcome = Err(Error::NoApplication);
    let settled = Settled::default();
    let report = Report::new(&policy, Some(&status), &settled, &outcome, 1, at(now));
    assert_eq!(report.status.images[0].held_until, None);
    let interval = validate::interval_or_default(&policy.spec.interval);
    let delay = schedule::with_jitter(interval, schedule::seed(&policy.metadata.uid));
    assert_eq!(report.action, Action::requeue(delay));
}

#[test]
fn an_error_is_not_looked_at_again_because_a_hold_ends() {
    check(0);
    check(100);
    check(1000);
}

#[test]
fn not_every_one_of_thousands_of_writes_is_an_event() {
    #[track_caller]
    fn check(count: usize, told_of: usize, last: &str) {
        let notice = |number: usize| Notice {
            type_: EventType::Normal,
            reason: Reason::Updated,
            action: "Patch",
            note: number.to_string(),
        };
        let told = told((1..=count).map(notice).collect());
        assert_eq!(told.len(), told_of);
        assert_eq!(told.last().map(|it| it.note.as_str()), Some(last));
    }
    check(1, 1, "1");
    check(MOST_TOLD, MOST_TOLD, "30");
    check(10_000, MOST_TOLD + 1, "and 9970 more");
}
