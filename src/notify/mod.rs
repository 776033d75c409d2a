//! Sends notifications to the addresses of users.
//!
//! An address is as secret as a token: it is in no log, error, status or event. Nothing is sent to
//! another host than the address names, nor to a host that registries may not have; redirects are not
//! followed. An answer counts by its status alone.

mod address;
mod error;
mod send;

pub(crate) use address::Address;
pub(crate) use error::Error;
pub(crate) use send::send;
