//! Docker Hub: <https://docs.docker.com/docker-hub/repos/manage/webhooks/>
//!
//! It sends nothing but pushes.

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
    repo_name: String,
}

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let body: Body = delivery.json()?;
    let registry = delivery.registry_or("docker.io");
    let push = Push::new(registry, &body.repository.repo_name, &body.push_data.tag)?;
    Ok(vec![push])
}
