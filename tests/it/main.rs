//! The integration tests: one binary, so that the servers' support code is linked once.

mod git;
mod registry;
mod stack;
