//! The image update operator: two kinds, their controllers, and the adapters they use.
//!
//! ```text
//! cli ──► controller ──► write_back ──► git
//!            │   ├─────────────────────► registry
//!            │   └──► api ─────────► image_update_core
//! ```
//!
//! An arrow means "knows"; `cli` knows `registry`, too. Whoever does something counts it in
//! `metrics`, which `server` shows. Adapters (`registry`, `git`) know the core
//! and their protocol, never each other and never `api`. `docs/architecture.md` has the walk-through.

pub mod api;
pub mod argocd;
mod blocking;
pub mod cli;
pub mod config;
pub mod controller;
pub mod generate;
pub mod git;
pub mod hosts;
mod leader;
pub mod metrics;
mod notify;
pub mod program;
pub mod registry;
pub mod request_error;
mod server;
mod telemetry;
pub mod tls;
mod webhook;
pub mod write_back;
