//! Builds and supervises the controllers.

mod applications;
mod argocd_repositories;
mod backoff;
mod clock;
mod conditions;
mod context;
mod elect;
mod error;
mod events;
mod gate;
mod image_update_policy;
mod image_watch;
mod in_flight;
mod legacy;
mod notifications;
mod observed;
pub mod once;
mod policy_index;
mod put_backs;
mod registries;
mod remote_errors;
mod run;
mod scope;
mod secrets;
mod shards;
mod status;
mod tags;
mod undecodable;
mod union;
mod webhooks;

pub(crate) use run::run;
