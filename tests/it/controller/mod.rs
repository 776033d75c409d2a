//! The operator as its users see it: objects in, commits and statuses out. One test a behaviour.

mod application_namespaces;
mod applications;
mod argocd_credentials;
mod bad_input;
mod batching;
mod branches;
mod builds;
mod crash;
mod git_access;
mod leader;
mod legacy;
mod main_job;
mod metrics;
mod patch_races;
mod registries;
mod revert;
mod revert_applications;
mod sharing;
mod strategies;
mod targets;
mod traces;
mod two_operators;
mod webhooks;
