//! Sonatype Nexus Repository: components and assets of Docker repositories,
//! <https://help.sonatype.com/en/example-headers-and-payloads.html>
//!
//! A body has no host, so `registry_url` has to name it. A repository has a port of its own or is
//! addressed by a path with its name in it.

use serde::Deserialize;

use super::{Delivery, Error, Push};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    repository_name: String,
    action: String,
    component: Option<Component>,
    asset: Option<Asset>,
}

#[derive(Deserialize)]
struct Component {
    format: String,
    name: String,
    version: Option<String>,
}

#[derive(Deserialize)]
struct Asset {
    format: String,
    name: String,
}

impl Body {
    /// The image and the tag, if it is about one.
    fn image(&self) -> Option<(&str, &str)> {
        if let Some(component) = &self.component {
            let version = component.version.as_deref();
            return (component.format == "docker").then_some((&component.name, version?));
        }
        let asset = self.asset.as_ref().filter(|it| it.format == "docker")?;
        let (name, tag) = asset.name.rsplit_once("/manifests/")?;
        let name = name.trim_start_matches('/').strip_prefix("v2/")?;
        Some((name, tag))
    }
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let body: Body = delivery.json()?;
    if !matches!(body.action.as_str(), "CREATED" | "UPDATED") {
        return Ok(Vec::new());
    }
    let Some((image, tag)) = body.image().filter(|(_, tag)| !tag.contains(':')) else {
        return Ok(Vec::new());
    };
    let registry = delivery.registry.ok_or(Error::NoRegistry)?;
    let image = image.trim_start_matches('/');
    let by_name = format!("{}/{image}", body.repository_name);
    let by_path = format!("repository/{by_name}");
    let paths = [image, by_name.as_str(), by_path.as_str()];
    let spellings = paths.map(|path| (registry, path));
    Ok(vec![Push::of_any(spellings, tag)?])
}
