//! The integration tests: one binary, so that the servers' support code is linked once.

mod alerts;
mod cli;
mod controller;
mod demo;
mod differential;
mod docs;
mod generated;
mod git;
mod gitops;
mod install;
mod oracle;
mod quickstart;
mod readme;
mod registry;
mod samples;
mod stack;
mod tidy;
mod workflows;
mod world;
