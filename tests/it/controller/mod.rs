//! The operator as its users see it: objects in, commits and statuses out. One test a behaviour.

mod bad_input;
mod crash;
mod main_job;
mod sharing;
mod strategies;
mod targets;
