//! Carries a plan out: values in, a receipt back.

pub mod git;
