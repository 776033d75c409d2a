//! JFrog Artifactory: the domain `docker`, <https://docs.jfrog.com/administration/docs/event-types>
//!
//! An image is addressed by a path, a subdomain or a port of its own, as the administrator chose; a
//! body says the key of the repository and where the platform is, so that the first two are known.
//! `registry_url` names any other.

use serde::Deserialize;

use super::push::host;
use super::{Delivery, Error, Push};

#[derive(Deserialize)]
struct Body {
    domain: String,
    event_type: String,
    data: Data,
    jpd_origin: Option<String>,
}

#[derive(Deserialize)]
struct Data {
    repo_key: Option<String>,
    image_name: Option<String>,
    tag: Option<String>,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let body: Body = delivery.json()?;
    if body.domain != "docker" || !matches!(body.event_type.as_str(), "pushed" | "promoted") {
        return Ok(Vec::new());
    }
    let missing = |field| Error::Missing { field };
    let image = body.data.image_name;
    let image = image.ok_or_else(|| missing("data.image_name"))?;
    let tag = body.data.tag.ok_or_else(|| missing("data.tag"))?;
    let key = body.data.repo_key;
    let key = key.ok_or_else(|| missing("data.repo_key"))?;
    let origin = body.jpd_origin.as_deref().map(host);
    let registry = delivery.registry.or(origin).ok_or(Error::NoRegistry)?;
    let path = format!("{key}/{image}");
    let subdomain = format!("{key}.{registry}");
    let mut spellings = vec![(registry, path.as_str())];
    if delivery.registry.is_some() {
        spellings.push((registry, &image));
    } else {
        spellings.push((&subdomain, &image));
    }
    Ok(vec![Push::of_any(spellings, &tag)?])
}
