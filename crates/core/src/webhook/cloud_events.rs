//! CloudEvents, one or a batch: <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
//!
//! The data of an event is its sender's own. Read are those of Amazon ECR, as EventBridge has them
//! and as its input transformer makes CloudEvents of them
//! (<https://docs.aws.amazon.com/AmazonECR/latest/userguide/ecr-eventbridge.html>), and any whose type
//! is about a container or an image and whose data name it.

use serde::Deserialize;
use serde_json::Value;

use super::{Delivery, Error, Push};

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Batch(Vec<Event>),
    One(Box<Event>),
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: Option<String>,
    source: Option<String>,
    data: Option<Value>,
    /// The rest is of EventBridge's own format.
    #[serde(rename = "detail-type")]
    detail_type: Option<String>,
    account: Option<String>,
    region: Option<String>,
    detail: Option<Detail>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Detail {
    result: Option<String>,
    repository_name: Option<String>,
    action_type: Option<String>,
    image_tag: Option<String>,
}

/// The data of an event about an image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    repository_name: Option<String>,
    repository: Option<String>,
    image: Option<String>,
    image_tag: Option<String>,
    tag: Option<String>,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let events = match delivery.json()? {
        Body::Batch(events) => events,
        Body::One(event) => vec![*event],
    };
    let mut pushes = Vec::new();
    for event in events {
        pushes.extend(event.push(delivery)?);
    }
    Ok(pushes)
}

impl Event {
    fn push(self, delivery: &Delivery<'_>) -> Result<Option<Push>, Error> {
        if self.detail_type.is_some() {
            return self.of_event_bridge(delivery);
        }
        let kind = self
            .kind
            .as_deref()
            .ok_or(Error::Missing { field: "type" })?;
        let kind = kind.to_ascii_lowercase();
        let is_of_image = ["com.amazon.ecr.", "container", "image"]
            .iter()
            .any(|word| kind.contains(word));
        let is_gone = ["delete", "pull"].iter().any(|word| kind.contains(word));
        if !is_of_image || is_gone {
            return Ok(None);
        }
        let data = serde_json::from_value::<Data>(data(self.data)?);
        let data = data.map_err(|_| Error::Missing {
            field: "data.repositoryName",
        })?;
        let of_source = self.source.as_deref().and_then(ecr_host);
        data.push(delivery.registry.or(of_source.as_deref()))
    }

    fn of_event_bridge(self, delivery: &Delivery<'_>) -> Result<Option<Push>, Error> {
        let is_pushed = |detail: &Detail| {
            detail.action_type.as_deref() == Some("PUSH")
                && detail.result.as_deref() == Some("SUCCESS")
        };
        let detail = self.detail.filter(is_pushed);
        let Some(Detail {
            repository_name: Some(name),
            image_tag: Some(tag),
            ..
        }) = detail
        else {
            return Ok(None);
        };
        let of_body = self.account.zip(self.region);
        let of_body = of_body.map(|(account, region)| ecr(&account, &region));
        let registry = delivery.registry.or(of_body.as_deref());
        Push::new(registry.ok_or(Error::NoRegistry)?, &name, &tag).map(Some)
    }
}

impl Data {
    fn push(self, registry: Option<&str>) -> Result<Option<Push>, Error> {
        let tag = self.image_tag.or(self.tag);
        let name = self.repository_name.or(self.repository);
        match (name, tag, self.image) {
            (Some(name), Some(tag), _) => {
                let registry = registry.ok_or(Error::NoRegistry)?;
                Push::new(registry, &name, &tag).map(Some)
            }
            (_, None, Some(image)) => Push::of_reference(&image, registry),
            (None, Some(tag), Some(image)) => {
                Push::of_reference(&format!("{image}:{tag}"), registry)
            }
            // An image by its digest.
            (Some(_), None, None) => Ok(None),
            (None, _, None) => Err(Error::Missing {
                field: "data.repositoryName",
            }),
        }
    }
}

fn data(data: Option<Value>) -> Result<Value, Error> {
    data.ok_or(Error::Missing { field: "data" })
}

/// The registry of `urn:aws:ecr:<region>:<account>…`, or `arn:…` in its place.
fn ecr_host(source: &str) -> Option<String> {
    let mut parts = source.split(':');
    let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
    let (region, account) = (parts.next()?, parts.next()?);
    let is_ecr =
        matches!(scheme, "urn" | "arn") && partition.starts_with("aws") && service == "ecr";
    is_ecr.then(|| ecr(account, region))
}

/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html>; China has a domain of
/// its own.
fn ecr(account: &str, region: &str) -> String {
    let domain = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    format!("{account}.dkr.ecr.{region}.{domain}")
}
