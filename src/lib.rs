//! The image update operator: two kinds, their controllers, and the adapters they use.
//!
//! ```text
//! cli ──► controller ──► write_back ──► git
//!            │   ├─────────────────────► registry
//!            │   └──► api ─────────► image_update_core
//! ```

pub mod git;
pub mod registry;
