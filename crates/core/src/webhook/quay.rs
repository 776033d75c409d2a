//! Quay: the event "Repository Push", <https://docs.projectquay.io/use_quay.html#repository-events>
//!
//! Its other events have no `updated_tags`.

use serde::Deserialize;

use super::push::host;
use super::{Delivery, Error, Push};

#[derive(Deserialize)]
struct Body {
    repository: String,
    docker_url: String,
    #[serde(default)]
    updated_tags: Vec<String>,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let body: Body = delivery.json()?;
    let registry = delivery.registry_or(host(&body.docker_url));
    body.updated_tags
        .iter()
        .map(|tag| Push::new(registry, &body.repository, tag))
        .collect()
}
