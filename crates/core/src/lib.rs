//! The pure part of the image update operator: bytes and values in, values out.
//!
//! Nothing here reads a clock, an environment variable, a socket or a file, and nothing spawns.
//! `now` is an argument. The operator's crate gathers inputs, calls this crate to decide, and
//! writes the result.

pub mod address;
pub mod argocd;
pub mod causes;
pub mod duration;
pub mod image;
pub mod latest;
pub mod legacy;
pub mod message;
pub mod notification;
pub mod plan;
pub mod policy;
pub mod registries_conf;
pub mod remote;
pub mod schedule;
pub mod secret;
pub mod target;
pub mod template;
mod text;
pub mod version;
pub mod webhook;
pub mod wire;
pub mod yaml;
