//! A Lease as the API server has it: read, taken, renewed and given back.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::PostParams;
use kube::core::ObjectMeta;
use kube::{Api, Client};
use tokio::time::Instant;

use super::Timing;
use super::error::Error;
use super::standing::{Candidate, Standing};
use crate::request_error::RequestError;

/// How long one request may take. There is time for a second one before a Lease is lost.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// How long a Lease that was given up still counts, in seconds; the API server wants more than none.
const RELEASED_SECONDS: i32 = 1;

/// Writes Leases in one name.
pub(super) struct Lock {
    api: Api<Lease>,
    namespace: String,
    identity: String,
    pub(super) timing: Timing,
    now: fn() -> Timestamp,
}

/// What came of trying to have a Lease.
pub(super) enum Attempt {
    /// It is ours, as it stands there now.
    Held(Box<Lease>),
    /// It is somebody else's.
    Others {
        /// The holder's identity; empty if it is not known who was faster.
        holder: String,
    },
}

impl Lock {
    /// Writes Leases of `namespace` as `identity`.
    pub(super) fn new(
        kube: Client,
        namespace: &str,
        identity: String,
        timing: Timing,
        now: fn() -> Timestamp,
    ) -> Self {
        Self {
            api: Api::namespaced(kube, namespace),
            namespace: namespace.to_owned(),
            identity,
            timing,
            now,
        }
    }

    /// Takes the Lease if it is not there or free. Losing to another who does so is no error.
    pub(super) async fn try_acquire(&self, candidate: &mut Candidate) -> Result<Attempt, Error> {
        let Some(found) = self.get(&candidate.name).await? else {
            return self.create(&candidate.name).await;
        };
        let spec = found.spec.clone().unwrap_or_default();
        match candidate.see(&spec, Instant::now()) {
            Standing::Held { by } => Ok(Attempt::Others { holder: by }),
            Standing::Free => {
                let spec = self.taken_over(spec);
                self.replace(
                    &candidate.name,
                    Lease {
                        spec: Some(spec),
                        ..found
                    },
                )
                .await
            }
        }
    }

    /// Renews a Lease that stands there as `held`, or did so before somebody edited it.
    pub(super) async fn renew(&self, name: &str, held: &Lease) -> Result<Attempt, Error> {
        let renewed = self.renewed(held.clone());
        if let Attempt::Held(lease) = self.replace(name, renewed).await? {
            return Ok(Attempt::Held(lease));
        }
        match self.get(name).await? {
            // Somebody has deleted it. If another was faster, that one has it.
            None => self.create(name).await,
            Some(found) if self.is_ours(&found) => self.replace(name, self.renewed(found)).await,
            Some(found) => Ok(Attempt::Others {
                holder: holder(&found),
            }),
        }
    }

    /// Gives the Lease back if it is still ours.
    pub(super) async fn release(&self, name: &str) -> Result<(), Error> {
        let Some(mut found) = self.get(name).await? else {
            return Ok(());
        };
        if self.is_ours(&found)
            && let Some(spec) = &mut found.spec
        {
            spec.holder_identity = None;
            spec.lease_duration_seconds = Some(RELEASED_SECONDS);
            // Who was faster than this has it, which is as well.
            self.replace(name, found).await?;
        }
        Ok(())
    }

    fn is_ours(&self, lease: &Lease) -> bool {
        holder(lease) == self.identity
    }

    fn renewed(&self, mut lease: Lease) -> Lease {
        let spec = lease.spec.get_or_insert_default();
        spec.renew_time = Some(MicroTime((self.now)()));
        lease
    }

    /// `before`, with this process as its new holder.
    fn taken_over(&self, before: LeaseSpec) -> LeaseSpec {
        let now = MicroTime((self.now)());
        let seconds = i32::try_from(self.timing.lease.as_secs()).unwrap_or(i32::MAX);
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: Some(seconds),
            acquire_time: Some(now.clone()),
            renew_time: Some(now),
            lease_transitions: Some(before.lease_transitions.unwrap_or(-1).saturating_add(1)),
            ..before
        }
    }

    async fn get(&self, name: &str) -> Result<Option<Lease>, Error> {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, self.api.get_opt(name)).await;
        let answer = answer.map_err(|_| self.timeout(name))?;
        answer.map_err(|source| self.refused("read", name, source))
    }

    async fn create(&self, name: &str) -> Result<Attempt, Error> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            spec: Some(self.taken_over(LeaseSpec::default())),
        };
        let parameters = PostParams::default();
        let created = self.api.create(&parameters, &lease);
        self.attempt("create", name, created).await
    }

    /// Writes a Lease over the version that it carries, and over no other.
    async fn replace(&self, name: &str, lease: Lease) -> Result<Attempt, Error> {
        let parameters = PostParams::default();
        let replaced = self.api.replace(name, &parameters, &lease);
        self.attempt("write", name, replaced).await
    }

    async fn attempt(
        &self,
        action: &'static str,
        name: &str,
        write: impl Future<Output = kube::Result<Lease>>,
    ) -> Result<Attempt, Error> {
        let answer = tokio::time::timeout(REQUEST_TIMEOUT, write).await;
        match answer.map_err(|_| self.timeout(name))? {
            Ok(lease) => Ok(Attempt::Held(Box::new(lease))),
            // Another version is there, or none any more: somebody was faster.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                Ok(Attempt::Others {
                    holder: String::new(),
                })
            }
            Err(source) => Err(self.refused(action, name, source)),
        }
    }

    fn refused(&self, action: &'static str, name: &str, source: kube::Error) -> Error {
        Error::Api {
            action,
            lease: self.shown(name),
            source: RequestError::new(source),
        }
    }

    fn timeout(&self, name: &str) -> Error {
        Error::Timeout {
            lease: self.shown(name),
        }
    }

    fn shown(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }
}

/// The identity of who holds it; empty if nobody does.
pub(super) fn holder(lease: &Lease) -> String {
    let spec = lease.spec.as_ref();
    let holder = spec.and_then(|spec| spec.holder_identity.clone());
    holder.unwrap_or_default()
}
