//! Real servers on loopback for the tests: nothing here knows the product's code.

pub mod apiserver;
pub mod chart;
pub mod faulty_registry;
pub mod git_server;
pub mod github_app;
pub mod inbox;
pub mod otlp;
pub mod pod;
pub mod process;
pub mod recorder;
pub mod registry;
pub mod ssh_server;
pub mod stack;
pub mod tls;
