//! One connection with one program at its end.

use std::{sync::Arc, time::Duration};

use image_update_core::wire::report_status::RemoteText;
use russh::{
    ChannelMsg, Disconnect,
    client::{self, AuthResult, Config, Handle, Msg},
    keys::{HashAlg, PrivateKeyWithHashAlg},
};
use tokio::{net::TcpStream, time::timeout};

use super::{
    FAREWELL, SshError, Target,
    host_key::{HandshakeError, HostKeyCheck},
};
use crate::git::{
    protocol::packet::{End, find_end},
    transport::{Ending, Service, TransportError},
};
use crate::hosts::resolver::{ResolveError, addresses};

/// The most kept of what a program says on its standard error, in bytes.
const MAX_DIAGNOSTICS_BYTES: usize = 16 * 1024;

/// The most shown of an answer that is not git's, in bytes.
const MAX_SHOWN_BYTES: usize = 200;

/// A program that runs on the server, and the connection that is for it alone.
pub(super) struct Program {
    handle: Handle<HostKeyCheck>,
    channel: russh::Channel<Msg>,
    idle: Duration,
    /// What came and was not asked for yet.
    buffer: Vec<u8>,
    /// What came on standard error.
    diagnostics: Vec<u8>,
    is_over: bool,
}

impl Program {
    /// Connects, logs in and starts the program.
    pub(super) async fn start(target: &Target, service: Service) -> Result<Self, TransportError> {
        let handle = log_in(target).await?;
        let channel = handle.channel_open_session().await.map_err(interrupted)?;
        if service == Service::UploadPack {
            // Servers that do not take it speak version 0.
            let set = channel.set_env(false, "GIT_PROTOCOL", "version=2").await;
            set.map_err(interrupted)?;
        }
        let command = format!("{} {}", service.name(), quoted(&target.place.path));
        channel.exec(false, command).await.map_err(interrupted)?;
        Ok(Self {
            handle,
            channel,
            idle: target.timeouts.idle,
            buffer: Vec::new(),
            diagnostics: Vec::new(),
            is_over: false,
        })
    }

    /// Reads what the program says first.
    pub(super) async fn advertisement(
        &mut self,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        let answer = self.answer(limit_bytes).await?;
        if answer.is_empty() {
            return Err(TransportError::Ssh(SshError::Refused {
                text: RemoteText::new(&self.diagnostics),
            }));
        }
        Ok(answer)
    }

    /// Sends a request and reads the answer.
    pub(super) async fn exchange(
        &mut self,
        body: Vec<u8>,
        ending: Ending,
        limit_bytes: usize,
    ) -> Result<Vec<u8>, TransportError> {
        self.channel.data_bytes(body).await.map_err(interrupted)?;
        let answer = match ending {
            Ending::Flush => self.answer(limit_bytes).await?,
            Ending::Program => self.everything(limit_bytes).await?,
        };
        if answer.is_empty() {
            return Err(TransportError::Ssh(SshError::Interrupted(None)));
        }
        Ok(answer)
    }

    /// Tells the program that nothing more comes, and closes the connection. Whether the server
    /// hears it changes nothing.
    pub(super) async fn finish(self) {
        let farewell = async {
            if !self.is_over {
                self.channel.data_bytes(&b"0000"[..]).await?;
                self.channel.eof().await?;
            }
            self.handle
                .disconnect(Disconnect::ByApplication, "", "")
                .await
        };
        timeout(FAREWELL, farewell).await.ok();
    }

    /// Reads up to the flush that ends an answer, or to the end of all output.
    async fn answer(&mut self, limit_bytes: usize) -> Result<Vec<u8>, TransportError> {
        let mut scanned = 0;
        loop {
            match find_end(&self.buffer, scanned) {
                End::At(end) => {
                    let rest = self.buffer.split_off(end);
                    return Ok(std::mem::replace(&mut self.buffer, rest));
                }
                End::Beyond(whole_lines) => scanned = whole_lines,
                End::NotLines => {
                    let shown = &self.buffer[scanned..];
                    let shown = &shown[..shown.len().min(MAX_SHOWN_BYTES)];
                    let found = RemoteText::new(shown);
                    return Err(TransportError::Ssh(SshError::NotGit { found }));
                }
            }
            if self.is_over {
                return Ok(std::mem::take(&mut self.buffer));
            }
            if self.buffer.len() > limit_bytes {
                return Err(TransportError::TooLarge { limit_bytes });
            }
            self.receive().await?;
        }
    }

    /// Reads up to the end of all output.
    async fn everything(&mut self, limit_bytes: usize) -> Result<Vec<u8>, TransportError> {
        while !self.is_over {
            if self.buffer.len() > limit_bytes {
                return Err(TransportError::TooLarge { limit_bytes });
            }
            self.receive().await?;
        }
        Ok(std::mem::take(&mut self.buffer))
    }

    async fn receive(&mut self) -> Result<(), TransportError> {
        let message = timeout(self.idle, self.channel.wait()).await;
        match message.map_err(|_| TransportError::Timeout)? {
            Some(ChannelMsg::Data { data }) => self.buffer.extend_from_slice(&data),
            Some(ChannelMsg::ExtendedData { data, .. }) => {
                let room = MAX_DIAGNOSTICS_BYTES.saturating_sub(self.diagnostics.len());
                self.diagnostics
                    .extend_from_slice(&data[..data.len().min(room)]);
            }
            // What came on standard error may still follow the end of the output.
            Some(ChannelMsg::Close) | None => self.is_over = true,
            Some(_) => {}
        }
        Ok(())
    }
}

async fn log_in(target: &Target) -> Result<Handle<HostKeyCheck>, TransportError> {
    let stream = connect(target).await?;
    let check = HostKeyCheck::new(&target.url, Arc::clone(&target.identity));
    let config = Config {
        preferred: check.preferred(),
        // Ends the task behind a connection that is given up in the middle of the handshake.
        inactivity_timeout: Some(target.timeouts.total),
        ..Config::default()
    };
    let handshake = client::connect_stream(Arc::new(config), stream, check).await;
    let mut handle = handshake.map_err(|error| {
        TransportError::Ssh(match error {
            HandshakeError::HostKey(error) => SshError::HostKey(error),
            HandshakeError::Ssh(error) => SshError::Negotiation(error),
        })
    })?;
    let key = target.identity.key();
    let hash = if key.algorithm().is_rsa() {
        let best = handle.best_supported_rsa_hash().await;
        // Without a word of the server, what all that are maintained know; never SHA-1.
        let best = best.map_err(interrupted)?.flatten();
        Some(best.unwrap_or(HashAlg::Sha256))
    } else {
        None
    };
    let user = &target.place.user;
    let key = PrivateKeyWithHashAlg::new(key, hash);
    let result = handle.authenticate_publickey(user, key).await;
    match result.map_err(interrupted)? {
        AuthResult::Success => Ok(handle),
        AuthResult::Failure { .. } => {
            let user = user.clone();
            Err(TransportError::Ssh(SshError::Unauthorized { user }))
        }
    }
}

async fn connect(target: &Target) -> Result<TcpStream, TransportError> {
    let host = target.url.host();
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = target.url.port().unwrap_or_default();
    let addresses = addresses(host, port).await.map_err(|error| match error {
        ResolveError::LinkLocal => TransportError::LinkLocal,
        it @ (ResolveError::Lookup(_) | ResolveError::Late) => TransportError::Resolve(it),
    })?;
    let stream = TcpStream::connect(&addresses[..]).await;
    let stream = stream.map_err(|error| TransportError::Ssh(SshError::Connect(error)))?;
    // Requests are small and waited for. Without it they are only slower.
    stream.set_nodelay(true).ok();
    Ok(stream)
}

fn interrupted(error: russh::Error) -> TransportError {
    TransportError::Ssh(SshError::Interrupted(Some(error)))
}

/// Quotes a path for the server's shell, as git does: `'` and `!` stand outside of the quotes.
fn quoted(path: &str) -> String {
    let mut text = String::from("'");
    for character in path.chars() {
        if matches!(character, '\'' | '!') {
            text.extend(['\'', '\\', character, '\'']);
        } else {
            text.push(character);
        }
    }
    text.push('\'');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_cannot_leave_its_quotes() {
        for (path, expected) in [
            ("org/env.git", "'org/env.git'"),
            ("a b;c", "'a b;c'"),
            ("a'b", r"'a'\''b'"),
            ("a!b", r"'a'\!'b'"),
            ("$(id)`id`", "'$(id)`id`'"),
        ] {
            assert_eq!(quoted(path), expected);
        }
    }
}
