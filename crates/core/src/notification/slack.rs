//! One text, as an incoming webhook takes it: <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>

use serde_json::{Value, json};

use super::{Kind, Notification};

pub(super) fn value(notification: &Notification) -> Value {
    let Notification {
        kind,
        namespace,
        name,
        message,
        ..
    } = notification;
    let what = match kind {
        Kind::Updated => "updated",
        Kind::Held => "holds an update",
        Kind::Failed => "failed",
    };
    let text = format!("{namespace}/{name} {what}: {message}");
    json!({"text": escape(&text)})
}

/// Without these three characters a text mentions nobody and links nowhere:
/// <https://docs.slack.dev/messaging/formatting-message-text#escaping>
fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}
