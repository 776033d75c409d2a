//! What `registries.conf` adds to how a registry is asked: its address, its authorities, and a
//! credential for those that name none of their own.

use std::sync::Arc;

use image_update_core::image::Repository;
use image_update_core::registries_conf::Registry;
use tracing::warn;

use super::context::Context;
use super::error::Error;
use super::secrets;
use crate::registry::conf::Source;
use crate::registry::{self, Access, Credential, credentials};

/// How `repository` is asked by who has said nothing.
pub(super) async fn default_access(
    repository: &Repository,
    context: &Context,
) -> Result<Access, Error> {
    let mut access = Access::default();
    configure(repository, &mut access, true, context).await?;
    Ok(access)
}

/// Lays what the file says over `access`; a credential only if that is wanted.
pub(super) async fn configure(
    repository: &Repository,
    access: &mut Access,
    wants_credential: bool,
    context: &Context,
) -> Result<(), Error> {
    if let Some(registry) = context.registries.find(repository) {
        configure_by(registry, repository, access, wants_credential, context).await?;
    }
    if let (Some(caller), None) = (&context.caller, &access.credential) {
        access.credential = caller.logins.registry(repository).await?;
    }
    Ok(())
}

async fn configure_by(
    registry: Arc<Registry>,
    repository: &Repository,
    access: &mut Access,
    wants_credential: bool,
    context: &Context,
) -> Result<(), Error> {
    let host = registry.api_url.host_str().unwrap_or_default();
    let port = registry.api_url.port();
    if !context.allowed_hosts.allows(host, port) {
        return Err(Error::HostNotAllowed {
            host: host.to_owned(),
        });
    }
    if wants_credential {
        access.credential = credential(repository, &registry, context).await?;
    }
    context.registries.apply(registry, access);
    Ok(())
}

/// Has a credential looked up anew that was refused.
pub(super) fn note_refusal(access: &Access, error: &registry::Error, context: &Context) {
    let is_refused = matches!(
        error,
        registry::Error::Unauthorized { .. } | registry::Error::Forbidden { .. }
    );
    if let (true, Some(registry)) = (is_refused, &access.configured) {
        context.registries.refuse(registry);
    }
}

async fn credential(
    repository: &Repository,
    registry: &Registry,
    context: &Context,
) -> Result<Option<Credential>, Error> {
    let source = context.registries.credential(registry).await;
    let source = source.map_err(|source| Error::RegistriesCredential {
        registry: registry.name.clone(),
        source,
    })?;
    let (namespace, name, field) = match source {
        Source::Nowhere => return Ok(None),
        Source::Here(credential) => return Ok(Some(credential)),
        Source::PullSecret { namespace, name } => (namespace, name, None),
        Source::Secret {
            namespace,
            name,
            field,
        } => (namespace, name, Some(field)),
    };
    // The Secret is the operator's own: who asks learns that it can't be used, the log says why.
    let unusable = |error: &dyn std::fmt::Display| {
        warn!(
            secret.namespace = namespace,
            secret.name = name,
            error = %error,
            "A Secret that registries.conf names can't be used"
        );
        Error::RegistriesSecret {
            registry: registry.name.clone(),
        }
    };
    let secret = secrets::secret(&context.kube, &namespace, &name).await;
    let secret = secret.map_err(|error| unusable(&error.chain()))?;
    credentials::from_secret(&secret.type_, &secret.data, field.as_deref(), repository)
        .map_err(|problem| unusable(&problem))
}
