//! What registries send when something was pushed: bytes and a few headers in, pushed tags out.
//!
//! One file for each format. A parser believes nothing that it has not read, and what is no push of
//! a tag (a pull, a deletion, a ping, another kind of package) is no error and no push. Whether the
//! sender knows the secret is said by [`Proof`]; who does not is not to be read at all.

mod acr;
mod aliyun_acr;
mod artifact_registry;
mod artifactory;
mod cloud_events;
mod distribution;
mod docker_hub;
mod error;
mod generic;
mod ghcr;
mod gitea;
mod harbor;
mod nexus;
mod proof;
mod push;
mod quay;
mod vendor;

pub use error::Error;
pub use proof::{Presented, Proof};
pub use push::Push;
pub use vendor::{UnknownVendor, Vendor};

/// The most pushes that one body may tell of. A registry that batches sends tens.
pub const MAX_PUSHES: usize = 1000;

/// What is read of a request.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The kind of event, from the first of [`Vendor::event_headers`] that is there.
    pub event: Option<&'a str>,
    /// The registry's host, where the request's address names it (`registry_url`). It counts before
    /// what the body says or implies; for formats that name no registry it is needed.
    pub registry: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// The tags that were pushed, as a body of `vendor` says.
pub fn read(vendor: Vendor, delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let pushes = match vendor {
        Vendor::DockerHub => docker_hub::read(delivery),
        Vendor::Ghcr => ghcr::read(delivery),
        Vendor::Quay => quay::read(delivery),
        Vendor::Harbor => harbor::read(delivery),
        Vendor::Acr => acr::read(delivery),
        Vendor::AliyunAcr => aliyun_acr::read(delivery),
        Vendor::CloudEvents => cloud_events::read(delivery),
        Vendor::GitLab => distribution::read(delivery),
        Vendor::ArtifactRegistry => artifact_registry::read(delivery),
        Vendor::Gitea => gitea::read(delivery),
        Vendor::Artifactory => artifactory::read(delivery),
        Vendor::Nexus => nexus::read(delivery),
        Vendor::Generic => generic::read(delivery),
    }?;
    if pushes.len() > MAX_PUSHES {
        return Err(Error::TooManyPushes);
    }
    Ok(pushes)
}

impl<'a> Delivery<'a> {
    /// The body as the JSON of a format.
    fn json<T: serde::Deserialize<'a>>(&self) -> Result<T, Error> {
        serde_json::from_slice(self.body).map_err(|error| Error::Json {
            line: error.line(),
            column: error.column(),
        })
    }

    /// The registry of the request's address, else the one that the body has.
    fn registry_or<'b>(&self, of_body: &'b str) -> &'b str
    where
        'a: 'b,
    {
        self.registry.unwrap_or(of_body)
    }
}

#[cfg(test)]
mod tests;
