//! CloudEvents 1.0 in structured mode: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>

use serde_json::{Value, json};

use super::{Kind, Notification, generic};

pub(super) fn value(notification: &Notification) -> Value {
    let Notification {
        kind,
        time,
        id,
        namespace,
        name,
        ..
    } = notification;
    let kind = match kind {
        Kind::Updated => "updated",
        Kind::Held => "held",
        Kind::Failed => "failed",
    };
    // The policy as the API server addresses it: a URI reference, as names need no escapes.
    let source = format!(
        "/apis/image-update.dev/v1alpha1/namespaces/{namespace}/imageupdatepolicies/{name}"
    );
    json!({
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": format!("dev.image-update.policy.{kind}"),
        "subject": format!("{namespace}/{name}"),
        "time": time.to_string(),
        "datacontenttype": "application/json",
        "data": generic::value(notification),
    })
}
