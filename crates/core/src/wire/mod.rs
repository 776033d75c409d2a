//! Parsers for bytes that strangers send: every one is bounded, total and free of IO.
//!
//! A parser here turns text into a type and refuses what it cannot read. It does not decide
//! whom to trust: that a token realm is `https`, or that a next page is on the same host, is
//! checked by the adapter that makes the request.

pub mod challenge;
pub mod docker_config;
pub mod known_hosts;
pub mod link_header;
pub mod manifest;
pub mod report_status;
pub mod tag_page;
mod text;
