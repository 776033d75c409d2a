//! Everything there is, as JSON.

use serde_json::{Value, json};

use super::{Notification, Place};

pub(super) fn value(notification: &Notification) -> Value {
    let Notification {
        kind,
        time,
        id: _,
        namespace,
        name,
        reason,
        message,
        changes,
        place,
    } = notification;
    let changes: Vec<Value> = changes
        .iter()
        .map(|change| json!({"alias": change.alias, "old": change.old, "new": change.new}))
        .collect();
    let mut value = json!({
        "event": kind.as_str(),
        "time": time.to_string(),
        "policy": {"namespace": namespace, "name": name},
        "reason": reason,
        "message": message,
        "changes": changes,
    });
    match place {
        Some(Place::Commit {
            repository,
            branch,
            id,
        }) => {
            value["commit"] = json!({"repository": repository, "branch": branch, "id": id});
        }
        Some(Place::Application(name)) => value["application"] = json!(name),
        None => {}
    }
    value
}
