//! GitHub's container registry: the events `package` and `registry_package`,
//! <https://docs.github.com/en/webhooks/webhook-events-and-payloads#package>
//!
//! An image of several platforms is several packages, of which one has a tag; the others are no push
//! of a tag.

use serde::Deserialize;

use super::{Delivery, Error, Push};

#[derive(Deserialize)]
struct Body {
    action: String,
    #[serde(alias = "registry_package")]
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(rename = "package_type")]
    kind: String,
    owner: Owner,
    #[serde(rename = "package_version")]
    version: Option<Version>,
}

#[derive(Deserialize)]
struct Owner {
    login: String,
}

#[derive(Deserialize)]
struct Version {
    container_metadata: Option<Metadata>,
}

#[derive(Deserialize)]
struct Metadata {
    tag: Option<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: Option<String>,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    if !matches!(delivery.event, Some("package" | "registry_package")) {
        return Ok(Vec::new());
    }
    let Body { action, package } = delivery.json()?;
    let is_pushed = matches!(action.as_str(), "published" | "updated");
    if !is_pushed || !package.kind.eq_ignore_ascii_case("container") {
        return Ok(Vec::new());
    }
    let tag = package
        .version
        .and_then(|version| version.container_metadata?.tag?.name)
        .filter(|tag| !tag.is_empty());
    let Some(tag) = tag else {
        return Ok(Vec::new());
    };
    let path = format!("{}/{}", package.owner.login, package.name);
    Ok(vec![Push::new(
        delivery.registry_or("ghcr.io"),
        &path,
        &tag,
    )?])
}
