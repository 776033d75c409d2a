//! Alibaba Cloud Container Registry: <https://www.alibabacloud.com/help/en/acr/user-guide/manage-webhooks>
//!
//! A body has the region and not the host. Of the Personal Edition there are three hosts, for the
//! internet, for VPCs and for the classic network; the Enterprise Edition has its own, which
//! `registry_url` names.

use serde::Deserialize;

use super::{Delivery, Error, Push};

#[derive(Deserialize)]
struct Body {
    push_data: PushData,
    repository: Repository,
}

#[derive(Deserialize)]
struct PushData {
    tag: String,
}

#[derive(Deserialize)]
struct Repository {
    repo_full_name: String,
    region: Option<String>,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let body: Body = delivery.json()?;
    let hosts = match (delivery.registry, &body.repository.region) {
        (Some(registry), _) => vec![registry.to_owned()],
        (None, Some(region)) => ["registry", "registry-vpc", "registry-internal"]
            .map(|name| format!("{name}.{region}.aliyuncs.com"))
            .to_vec(),
        (None, None) => return Err(Error::NoRegistry),
    };
    let path = body.repository.repo_full_name.as_str();
    let spellings = hosts.iter().map(|host| (host.as_str(), path));
    Ok(vec![Push::of_any(spellings, &body.push_data.tag)?])
}
