//! What strangers send, read into types: no IO, no panic, everything bounded.

pub mod report_status;
