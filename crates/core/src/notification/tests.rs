//! What each format is made into.

use serde_json::{Value, json};

use super::*;

fn updated() -> Notification {
    Notification {
        kind: Kind::Updated,
        time: Timestamp::constant(1_700_000_000, 0),
        id: "9f-1700000000-0".to_owned(),
        namespace: "team-a".to_owned(),
        name: "shop".to_owned(),
        reason: "Updated",
        message: "web: 1.0 -> 1.1".to_owned(),
        changes: vec![Change {
            alias: "web".to_owned(),
            old: Some("1.0".to_owned()),
            new: "1.1".to_owned(),
        }],
        place: Some(Place::Commit {
            repository: "https://git.example/env.git".to_owned(),
            branch: "main".to_owned(),
            id: "0123abc".to_owned(),
        }),
    }
}

fn held() -> Notification {
    Notification {
        kind: Kind::Held,
        reason: "RevertedInGit",
        message: "web: <!channel> & more".to_owned(),
        changes: Vec::new(),
        place: None,
        ..updated()
    }
}

#[track_caller]
fn check(notification: &Notification, format: Format, content_type: &str, expected: &Value) {
    let body = notification.body(format);
    assert_eq!(body.content_type, content_type);
    let found: Value = serde_json::from_slice(&body.bytes).expect("a body is JSON");
    assert_eq!(found, *expected, "{format:?}");
}

fn generic_updated() -> Value {
    json!({
        "event": "Updated",
        "time": "2023-11-14T22:13:20Z",
        "policy": {"namespace": "team-a", "name": "shop"},
        "reason": "Updated",
        "message": "web: 1.0 -> 1.1",
        "changes": [{"alias": "web", "old": "1.0", "new": "1.1"}],
        "commit": {"repository": "https://git.example/env.git", "branch": "main", "id": "0123abc"},
    })
}

#[test]
fn the_generic_format_has_everything() {
    check(
        &updated(),
        Format::Generic,
        "application/json",
        &generic_updated(),
    );
    let application = Notification {
        place: Some(Place::Application("argocd/shop".to_owned())),
        ..held()
    };
    let expected = json!({
        "event": "Held",
        "time": "2023-11-14T22:13:20Z",
        "policy": {"namespace": "team-a", "name": "shop"},
        "reason": "RevertedInGit",
        "message": "web: <!channel> & more",
        "changes": [],
        "application": "argocd/shop",
    });
    check(&application, Format::Generic, "application/json", &expected);
}

#[test]
fn slack_gets_a_text_that_mentions_nobody() {
    let expected = json!({"text": "team-a/shop updated: web: 1.0 -&gt; 1.1"});
    check(&updated(), Format::Slack, "application/json", &expected);
    let expected = json!({
        "text": "team-a/shop holds an update: web: &lt;!channel&gt; &amp; more",
    });
    check(&held(), Format::Slack, "application/json", &expected);
}

#[test]
fn a_cloud_event_has_the_attributes_of_version_one() {
    let expected = json!({
        "specversion": "1.0",
        "id": "9f-1700000000-0",
        "source": "/apis/image-update.dev/v1alpha1/namespaces/team-a/imageupdatepolicies/shop",
        "type": "dev.image-update.policy.updated",
        "subject": "team-a/shop",
        "time": "2023-11-14T22:13:20Z",
        "datacontenttype": "application/json",
        "data": generic_updated(),
    });
    let media_type = "application/cloudevents+json";
    check(&updated(), Format::CloudEvents, media_type, &expected);
}
