//! Reads what a scan needs from the cluster: credentials and certificates.

use kube::Client;
use zeroize::Zeroizing;

use crate::api::v1alpha1::ImageWatchSpec;
use crate::api::validate::WatchModel;
use crate::controller::context::Context;
use crate::controller::error::{Error, SecretProblem};
use crate::controller::registries;
use crate::controller::secrets::{self, NamedSecret};
use crate::registry::{Access, Credential, credentials};

/// As whom, and how, the registry of a watch in `namespace` is asked.
pub(in crate::controller) async fn access(
    namespace: &str,
    spec: &ImageWatchSpec,
    model: &WatchModel,
    context: &Context,
) -> Result<Access, Error> {
    let kube = &context.kube;
    let credential = credential(kube, namespace, spec, model).await?;
    let mut access = Access {
        configured: None,
        credential,
        ca_pem: None,
        client_identity_pem: None,
        insecure: spec.insecure,
        timeout: model.timeout,
    };
    if let Some(reference) = &spec.cert_secret_ref {
        let secret = secrets::secret(kube, namespace, &reference.name).await?;
        read_certificates(&secret, &mut access)?;
    }
    let names_none = spec.secret_ref.is_none() && spec.service_account_name.is_none();
    registries::configure(&model.repository, &mut access, names_none, context).await?;
    Ok(access)
}

async fn credential(
    kube: &Client,
    namespace: &str,
    spec: &ImageWatchSpec,
    model: &WatchModel,
) -> Result<Option<Credential>, Error> {
    if let Some(reference) = &spec.secret_ref {
        let secret = secrets::secret(kube, namespace, &reference.name).await?;
        let found = read_credential(&secret, reference.key.as_deref(), model)?;
        return match found {
            Some(credential) => Ok(Some(credential)),
            None => Err(invalid(
                &secret,
                SecretProblem::OtherRegistry {
                    registry: model.repository.registry().to_owned(),
                },
            )),
        };
    }
    if let Some(account) = &spec.service_account_name {
        for name in secrets::pull_secrets(kube, namespace, account).await? {
            let secret = secrets::secret(kube, namespace, &name).await?;
            if let Some(credential) = read_credential(&secret, None, model)? {
                return Ok(Some(credential));
            }
        }
    }
    Ok(None)
}

fn read_credential(
    secret: &NamedSecret,
    key: Option<&str>,
    model: &WatchModel,
) -> Result<Option<Credential>, Error> {
    credentials::from_secret(&secret.type_, &secret.data, key, &model.repository)
        .map_err(|problem| invalid(secret, SecretProblem::Credential(problem)))
}

fn read_certificates(secret: &NamedSecret, access: &mut Access) -> Result<(), Error> {
    access.ca_pem = secret.data.get("ca.crt").cloned();
    match (secret.data.get("tls.crt"), secret.data.get("tls.key")) {
        (Some(certificate), Some(key)) => {
            let identity = [certificate.as_slice(), b"\n", key].concat();
            access.client_identity_pem = Some(Zeroizing::new(identity));
        }
        (Some(_), None) => {
            return Err(invalid(
                secret,
                SecretProblem::MissingKey { key: "tls.key" },
            ));
        }
        (None, Some(_)) => {
            return Err(invalid(
                secret,
                SecretProblem::MissingKey { key: "tls.crt" },
            ));
        }
        (None, None) if access.ca_pem.is_none() => {
            return Err(invalid(secret, SecretProblem::MissingKey { key: "ca.crt" }));
        }
        (None, None) => {}
    }
    Ok(())
}

fn invalid(secret: &NamedSecret, problem: SecretProblem) -> Error {
    Error::InvalidSecret {
        name: secret.name.clone(),
        problem,
    }
}
