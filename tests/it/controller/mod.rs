//! The operator as its users see it: objects in, commits and statuses out. One test a behaviour.

mod application_namespaces;
mod application_status;
mod applications;
mod argocd_credentials;
mod bad_input;
mod batching;
mod branches;
mod builds;
mod crash;
mod faults;
mod git_access;
mod leader;
mod legacy;
mod main_job;
pub(crate) mod metrics;
mod notifications;
mod patch_races;
mod registries;
mod revert;
mod revert_applications;
mod shards;
mod sharing;
mod strategies;
mod targets;
mod traces;
mod two_operators;
mod webhooks;
