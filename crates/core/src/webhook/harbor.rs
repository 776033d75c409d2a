//! Harbor, in its own format and as CloudEvents:
//! <https://goharbor.io/docs/2.13.0/working-with-projects/project-configuration/configure-webhooks/>

use serde::Deserialize;

use super::push::host;
use super::{Delivery, Error, Push};

#[derive(Deserialize)]
struct Body {
    #[serde(rename = "type")]
    kind: String,
    #[serde(alias = "data")]
    event_data: Option<EventData>,
}

#[derive(Deserialize)]
struct EventData {
    #[serde(default)]
    resources: Vec<Resource>,
    repository: Repository,
}

#[derive(Deserialize)]
struct Resource {
    tag: Option<String>,
    resource_url: Option<String>,
}

#[derive(Deserialize)]
struct Repository {
    repo_full_name: String,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let body: Body = delivery.json()?;
    if !matches!(
        body.kind.as_str(),
        "PUSH_ARTIFACT" | "harbor.artifact.pushed"
    ) {
        return Ok(Vec::new());
    }
    let data = body.event_data.ok_or(Error::Missing {
        field: "event_data",
    })?;
    let path = &data.repository.repo_full_name;
    let mut pushes = Vec::new();
    for resource in &data.resources {
        // What was pushed by digest has none.
        let Some(tag) = resource.tag.as_deref().filter(|tag| !tag.is_empty()) else {
            continue;
        };
        let of_body = resource.resource_url.as_deref().map(host);
        let registry = delivery.registry.or(of_body).ok_or(Error::NoRegistry)?;
        pushes.push(Push::new(registry, path, tag)?);
    }
    Ok(pushes)
}
