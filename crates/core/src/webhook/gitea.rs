//! Gitea and Forgejo: the event `package`, <https://docs.gitea.com/usage/webhooks>,
//! <https://forgejo.org/docs/latest/user/webhooks/>
//!
//! A version of a container package is a tag, or a digest.

use serde::Deserialize;

use super::push::host;
use super::{Delivery, Error, Push};

#[derive(Deserialize)]
struct Body {
    action: String,
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    version: String,
    html_url: Option<String>,
    owner: Owner,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    if delivery.event.is_some_and(|event| event != "package") {
        return Ok(Vec::new());
    }
    let Body { action, package } = delivery.json()?;
    let is_image = package.kind == "container" && !package.version.contains(':');
    if action != "created" || !is_image {
        return Ok(Vec::new());
    }
    let of_body = package.html_url.as_deref().map(host);
    let registry = delivery.registry.or(of_body).ok_or(Error::NoRegistry)?;
    let path = format!("{}/{}", package.owner.login, package.name);
    Ok(vec![Push::new(registry, &path, &package.version)?])
}
