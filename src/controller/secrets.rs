//! Reads Secrets and ServiceAccounts, of the object's own namespace only.

use image_update_core::secret::SecretData;
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::{Api, Client};

use super::error::Error;
use crate::request_error::RequestError;

/// The data of a Secret and its type.
pub(super) struct NamedSecret {
    /// The Secret's name, for messages.
    pub(super) name: String,
    /// Its type, such as `kubernetes.io/dockerconfigjson`.
    pub(super) type_: String,
    /// What it holds.
    pub(super) data: SecretData,
}

/// Reads the Secret `name` of `namespace`.
pub(super) async fn secret(
    kube: &Client,
    namespace: &str,
    name: &str,
) -> Result<NamedSecret, Error> {
    let api: Api<Secret> = Api::namespaced(kube.clone(), namespace);
    let found = api
        .get_opt(name)
        .await
        .map_err(|source| Error::ReadObject {
            kind: "Secret",
            name: name.to_owned(),
            source: RequestError::new(source),
        })?;
    let secret = found.ok_or_else(|| Error::ObjectNotFound {
        kind: "Secret",
        name: name.to_owned(),
    })?;
    let data = secret.data.unwrap_or_default();
    Ok(NamedSecret {
        name: name.to_owned(),
        type_: secret.type_.unwrap_or_default(),
        data: data
            .into_iter()
            .map(|(key, value)| (key, value.0))
            .collect(),
    })
}

/// The names of the `imagePullSecrets` of the ServiceAccount `name` of `namespace`.
pub(super) async fn pull_secrets(
    kube: &Client,
    namespace: &str,
    name: &str,
) -> Result<Vec<String>, Error> {
    let api: Api<ServiceAccount> = Api::namespaced(kube.clone(), namespace);
    let found = api
        .get_opt(name)
        .await
        .map_err(|source| Error::ReadObject {
            kind: "ServiceAccount",
            name: name.to_owned(),
            source: RequestError::new(source),
        })?;
    let account = found.ok_or_else(|| Error::ObjectNotFound {
        kind: "ServiceAccount",
        name: name.to_owned(),
    })?;
    let references = account.image_pull_secrets.unwrap_or_default();
    Ok(references
        .into_iter()
        .map(|reference| reference.name)
        .collect())
}
