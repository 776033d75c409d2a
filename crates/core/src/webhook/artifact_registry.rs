//! Google Artifact Registry, whose notifications a push subscription of Pub/Sub delivers:
//! <https://cloud.google.com/artifact-registry/docs/configure-notifications>,
//! <https://cloud.google.com/pubsub/docs/push#receive_push>

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;

use super::{Delivery, Error, Push};

/// What Pub/Sub wraps around a notification.
#[derive(Deserialize)]
struct Body {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    data: String,
}

#[derive(Deserialize)]
struct Notification {
    action: String,
    tag: Option<String>,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let body: Body = delivery.json()?;
    let data = BASE64_STANDARD.decode(body.message.data.as_bytes());
    let data = data.map_err(|_| Error::Base64 {
        field: "message.data",
    })?;
    let inner = Delivery {
        body: &data,
        ..*delivery
    };
    let notification: Notification = inner.json()?;
    let tag = notification.tag.filter(|_| notification.action == "INSERT");
    let push = match tag {
        Some(tag) => Push::of_reference(&tag, delivery.registry)?,
        None => None,
    };
    Ok(push.into_iter().collect())
}
