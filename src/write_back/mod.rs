//! Carries plans out: values in, outcomes back.
//!
//! Every policy hands in a [`job::Job`]. Those that write to the same branch of the same remote
//! within a moment become one fetch and one push:
//!
//! ```text
//! policy ─► job ─┐
//! policy ─► job ─┼─► git (one queue a branch) ─► batch ─► compose ─► one push
//! policy ─► job ─┘                                          └─► an outcome for each policy
//! ```
//!
//! Nothing is decided here: what a job writes, the job says when it is shown the files.

mod batch;
mod compose;
pub mod git;
pub mod git_credentials;
pub mod job;
pub mod journal;
mod rehearsal;
mod window;
