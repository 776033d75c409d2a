//! The CNCF's Distribution, of which GitLab's container registry is one:
//! <https://distribution.github.io/distribution/about/notifications/>,
//! <https://docs.gitlab.com/administration/packages/container_registry/#configure-container-registry-notifications>

use serde::Deserialize;

use super::{Delivery, Error, Push};

/// Several events.
#[derive(Deserialize)]
struct Envelope {
    events: Vec<Event>,
}

/// One event.
#[derive(Deserialize)]
pub(super) struct Event {
    action: String,
    target: Option<Target>,
    request: Option<Request>,
}

#[derive(Deserialize)]
struct Target {
    repository: Option<String>,
    tag: Option<String>,
}

#[derive(Deserialize)]
struct Request {
    host: Option<String>,
}

impl Event {
    /// The push that the event tells of; pulls, deletions and what has no tag (layers, images by
    /// digest) are none.
    pub(super) fn push(&self, delivery: &Delivery<'_>) -> Option<Result<Push, Error>> {
        let target = self.target.as_ref().filter(|_| self.action == "push")?;
        let tag = target.tag.as_deref().filter(|tag| !tag.is_empty())?;
        let host = self.request.as_ref().and_then(|it| it.host.as_deref());
        let host = host.filter(|host| !host.is_empty());
        let registry = delivery.registry.or(host).ok_or(Error::NoRegistry);
        let path = target.repository.as_deref().ok_or(Error::Missing {
            field: "target.repository",
        });
        Some(registry.and_then(|registry| Push::new(registry, path?, tag)))
    }
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let envelope: Envelope = delivery.json()?;
    let events = envelope.events.iter();
    events.filter_map(|event| event.push(delivery)).collect()
}
