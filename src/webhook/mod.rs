//! Receives webhooks of registries: knows the sender by a secret, reads what was pushed, and hands
//! it on.
//!
//! It decides nothing about images and asks no registry: what is handed on says where to look, not
//! what is there. Whatever a stranger sends, the answer is a 4xx, and nobody learns which types have
//! a secret without knowing one.

mod receiver;
mod repeats;
mod request;
mod secrets;

pub(crate) use receiver::Receiver;
pub(crate) use secrets::Secrets;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::server;

/// Connections at once: registries that send for many repositories.
const MAX_CONNECTIONS: usize = 64;

/// Serves until it is dropped.
pub(crate) async fn serve(listener: TcpListener, receiver: Receiver) {
    let receiver = Arc::new(receiver);
    server::accept(listener, MAX_CONNECTIONS, move |request| {
        let receiver = Arc::clone(&receiver);
        async move { receiver.answer(request).await }
    })
    .await;
}
