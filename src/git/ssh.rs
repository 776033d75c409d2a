//! SSH: git's programs on the server, spoken to through their standard input and output.
//!
//! One connection for each program, as git itself makes them: there are servers that allow no
//! second channel. Nothing is sent before the server has shown a key that `known_hosts` has for it.
//! No agent, no configuration file and no other program is used.

mod connection;
mod host_key;
pub(super) mod identity;

use std::{sync::Arc, time::Duration};

use image_update_core::{
    remote::{RemoteUrl, SshPlace},
    wire::report_status::RemoteText,
};
use tokio::time::timeout;

use self::connection::Program;
pub use self::{host_key::HostKeyError, identity::IdentityError};
use super::{
    options::{Credential, CredentialError, Identity, Kind, RemoteOptions, Timeouts},
    transport::{Ending, Service, TransportError},
};

/// How long a program is given to end by itself.
const FAREWELL: Duration = Duration::from_secs(1);

/// A remote over SSH.
pub(crate) struct Ssh {
    target: Target,
    /// What is running, and between two answers.
    upload: Option<Program>,
    receive: Option<Program>,
}

/// What is asked for, where and as whom.
pub(super) struct Target {
    url: RemoteUrl,
    place: SshPlace,
    identity: Arc<Identity>,
    timeouts: Timeouts,
}

/// What can go wrong over SSH only.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The server is not the one that `known_hosts` knows, or not known at all. Nothing was sent.
    #[error(transparent)]
    HostKey(HostKeyError),
    /// Nobody answered at the address.
    #[error("no connection could be made")]
    Connect(#[source] std::io::Error),
    /// There is no way to encrypt that both sides know.
    #[error("the server speaks no version of SSH that is safe")]
    Negotiation(#[source] russh::Error),
    /// The server does not let the user in with this key.
    #[error("the server does not accept the key for user {user}")]
    Unauthorized {
        /// The user in the remote's address.
        user: String,
    },
    /// The program ended before it answered: no permission, or no such repository.
    #[error("the server ended the session {}", if text.as_str().is_empty() {
        "without a word".to_owned()
    } else {
        format!("and said: {text}")
    })]
    Refused {
        /// The server's words.
        text: RemoteText,
    },
    /// The answer is not git's.
    #[error(
        "the answer is not git's but starts with {found:?}\nhint: the server's shell prints it"
    )]
    NotGit {
        /// How it starts.
        found: RemoteText,
    },
    /// The connection broke after the request was sent.
    #[error("the connection was lost before the answer was complete")]
    Interrupted(#[source] Option<russh::Error>),
}

impl SshError {
    /// As [`TransportError::is_in_doubt`].
    pub(super) fn is_in_doubt(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Interrupted(_) | Self::NotGit { .. } => true,
            Self::HostKey(_)
            | Self::Negotiation(_)
            | Self::Unauthorized { .. }
            | Self::Refused { .. } => false,
        }
    }
}

impl Ssh {
    /// Makes no connection.
    pub(super) fn new(url: &RemoteUrl, options: &RemoteOptions) -> Result<Self, TransportError> {
        let wrong = || TransportError::Credential(CredentialError::NoKeyOverSsh);
        let Some(Kind::Identity(identity)) = options.credential.as_ref().map(Credential::kind)
        else {
            return Err(wrong());
        };
        if options.proxy.is_some() {
            return Err(TransportError::Credential(CredentialError::ProxyOverSsh));
        }
        Ok(Self {
            target: Target {
                url: url.clone(),
                place: url.ssh().cloned().ok_or_else(wrong)?,
                identity: Arc::clone(identity),
                timeouts: options.timeouts,
            },
            upload: None,
            receive: None,
        })
    }

    /// Starts the program anew and returns what it says it can do.
    pub(super) async fn advertisement(
        &mut self,
        service: Service,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        if let Some(program) = self.running(service).take() {
            program.finish().await;
        }
        let (program, advertisement) = self.start(service, limit_bytes).await?;
        *self.running(service) = Some(program);
        Ok(advertisement)
    }

    /// Sends a request to the program, which is started if need be, and reads the whole answer.
    ///
    /// A program that is cut off in the middle, by an error or because nobody waits for it any
    /// more, is not asked again.
    pub(super) async fn exchange(
        &mut self,
        service: Service,
        body: Vec<u8>,
        ending: Ending,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        let mut program = match self.running(service).take() {
            Some(program) => program,
            None => self.start(service, limit_bytes).await?.0,
        };
        let total = self.target.timeouts.total;
        let answer = timeout(total, program.exchange(body, ending, limit_bytes)).await;
        let answer = answer.map_err(|_| TransportError::Timeout)??;
        match (service, ending) {
            (Service::UploadPack, Ending::Flush) => self.upload = Some(program),
            // One push, or one fetch of version 0, is all it is for.
            (Service::ReceivePack, _) | (_, Ending::Program) => program.finish().await,
        }
        Ok(answer)
    }

    /// Ends what is running.
    pub(super) async fn finish(&mut self) {
        let running = [self.upload.take(), self.receive.take()];
        for program in running.into_iter().flatten() {
            program.finish().await;
        }
    }

    async fn start(
        &self,
        service: Service,
        limit_bytes: usize,
    ) -> Result<(Program, Vec<u8>), TransportError> {
        let Timeouts { connect, total, .. } = self.target.timeouts;
        let started = timeout(connect, Program::start(&self.target, service)).await;
        let mut program = started.map_err(|_| TransportError::Timeout)??;
        let advertisement = timeout(total, program.advertisement(limit_bytes)).await;
        let advertisement = advertisement.map_err(|_| TransportError::Timeout)??;
        Ok((program, advertisement))
    }

    fn running(&mut self, service: Service) -> &mut Option<Program> {
        match service {
            Service::UploadPack => &mut self.upload,
            Service::ReceivePack => &mut self.receive,
        }
    }
}
