//! A real git server on loopback: `git http-backend` behind an HTTP(S) front of ours.
//!
//! The front adds what tests need and git has not: TLS with an authority made for the run, basic
//! authentication, counters, and faults. What is done to repositories behind the server's back
//! (somebody else's commits, hooks, checks) goes through the git command line.

mod authority;
mod front;
mod plan;
mod repository;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
};

use anyhow::{Context as _, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use self::{
    authority::Authority,
    front::{Front, serve},
};
use crate::tls::Certified;

pub use self::{
    plan::{Fault, Held, Moment},
    repository::{Commit, Entry, ObjectFormat, TreeEntry},
};

/// A running server. Stops, and deletes its repositories, when dropped.
#[derive(Debug)]
pub struct GitServer {
    front: Arc<Front>,
    address: SocketAddr,
    ca_pem: Option<String>,
    client: Option<Certified>,
    root: tempfile::TempDir,
    allow_filter: bool,
    _tasks: JoinSet<()>,
}

/// How a server is to be. The default is plain HTTP for everybody, with filters.
#[derive(Debug, Clone)]
pub struct Builder {
    encryption: Encryption,
    authorization: Option<String>,
    allow_filter: bool,
    protocol_v0: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    None,
    Tls,
    /// TLS, for clients with a certificate.
    ClientCertificates,
}

impl Builder {
    /// Serves HTTPS (HTTP/2 and 1.1) with a certificate for `127.0.0.1` and `localhost`.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.encryption = Encryption::Tls;
        self
    }

    /// Answers 401 to whoever does not bring these.
    #[must_use]
    pub fn basic_auth(mut self, username: &str, password: &str) -> Self {
        self.authorization = Some(basic(username, password));
        self
    }

    /// Answers 401 to whoever does not bring this as a bearer token.
    #[must_use]
    pub fn bearer_auth(mut self, token: &str) -> Self {
        self.authorization = Some(format!("Bearer {token}"));
        self
    }

    /// Serves HTTPS, and only to who shows the certificate of [`GitServer::client`].
    #[must_use]
    pub fn client_certificates(mut self) -> Self {
        self.encryption = Encryption::ClientCertificates;
        self
    }

    /// Whether clients may leave objects out (`uploadpack.allowFilter`). They may by default.
    #[must_use]
    pub fn allow_filter(mut self, allow: bool) -> Self {
        self.allow_filter = allow;
        self
    }

    /// Ignores the client's wish for version 2 of the protocol, as old servers do.
    #[must_use]
    pub fn protocol_v0(mut self) -> Self {
        self.protocol_v0 = true;
        self
    }

    /// Starts the server on a free port.
    pub async fn start(self) -> Result<GitServer> {
        let root = tempfile::tempdir().context("making a directory for the repositories")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("binding")?;
        let address = listener.local_addr().context("reading the port")?;
        let (acceptor, ca_pem, client) = if self.encryption == Encryption::None {
            (None, None, None)
        } else {
            let authority = Authority::new()?;
            let names = ["127.0.0.1", "localhost"];
            let only_clients = self.encryption == Encryption::ClientCertificates;
            let config = authority.server_config(&names, only_clients)?;
            let client = authority.client()?;
            let acceptor = TlsAcceptor::from(config);
            (Some(acceptor), Some(authority.pem()), Some(client))
        };
        let front = Arc::new(Front::new(
            root.path().to_owned(),
            self.authorization,
            self.protocol_v0,
        ));
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, acceptor, Arc::clone(&front)));
        let allow_filter = self.allow_filter;
        Ok(GitServer {
            front,
            address,
            ca_pem,
            client,
            root,
            allow_filter,
            _tasks: tasks,
        })
    }
}

impl GitServer {
    /// Starts to describe a server.
    pub fn builder() -> Builder {
        Builder {
            encryption: Encryption::None,
            authorization: None,
            allow_filter: true,
            protocol_v0: false,
        }
    }

    /// Where the repository `name` is served, whether or not it exists.
    pub fn url(&self, name: &str) -> String {
        let scheme = if self.ca_pem.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://{}/{name}.git", self.address)
    }

    /// The certificate that signed the server's, for servers with TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// A client's certificate that the server's authority signed, for servers with TLS.
    pub fn client(&self) -> Option<&Certified> {
        self.client.as_ref()
    }

    /// From now on, answers 401 to whoever does not bring these.
    pub fn accept(&self, username: &str, password: &str) {
        self.front.accept(basic(username, password));
    }

    /// How many requests came in, refused ones included.
    pub fn requests(&self) -> u64 {
        self.front.requests.load(Ordering::SeqCst)
    }

    /// How many bytes of answers went out, without headers.
    pub fn bytes_down(&self) -> u64 {
        self.front.bytes_down.load(Ordering::SeqCst)
    }

    /// How many bytes of requests came in, without headers.
    pub fn bytes_up(&self) -> u64 {
        self.front.bytes_up.load(Ordering::SeqCst)
    }

    /// How many requests carried an `Authorization` header.
    pub fn authorized_requests(&self) -> u64 {
        self.front.authorized.load(Ordering::SeqCst)
    }

    /// Makes the next request whose path and query contain `on` go wrong, once. Several faults for
    /// the same requests happen one after the other.
    pub fn inject(&self, on: &str, fault: Fault) {
        self.front.plans.inject(on, fault);
    }

    /// Holds the first request after `skip` others whose path and query contain `on`.
    pub fn hold(&self, on: &str, skip: usize, moment: Moment) -> Held {
        self.front.plans.hold(on, skip, moment)
    }

    /// The folder of the repositories.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.root.path().join(format!("{name}.git"))
    }
}

fn basic(username: &str, password: &str) -> String {
    let pair = BASE64_STANDARD.encode(format!("{username}:{password}"));
    format!("Basic {pair}")
}
