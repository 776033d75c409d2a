//! What a repository wants to be shown: remembered, renewed, or found out from a challenge.
//!
//! Which host it is shown to is decided in [`super::exchange`], never here.

use image_update_core::wire::challenge::{self, Challenge};
use reqwest::header::{HeaderValue, WWW_AUTHENTICATE};

use super::answer::Answer;
use super::credentials::Credential;
use super::error::Error;
use super::exchange::Exchange;
use super::session::{Session, SessionKey};
use super::token;

/// Values of `WWW-Authenticate` that are read; registries send one or two.
const MAX_CHALLENGE_HEADERS: usize = 8;

impl Exchange<'_> {
    /// What the repository wanted to be shown last time, renewed where it has run out.
    pub(super) async fn remembered_authorization(&mut self) -> Result<Option<HeaderValue>, Error> {
        let key = self.session_key();
        let Some(mut session) = self.shared.sessions.get(&key) else {
            return Ok(None);
        };
        if let Session::Bearer { source, .. } = &session
            && session.is_expired()
        {
            // Asking the known token server spares the request that would be refused. If it has
            // moved, the next question starts from the registry's challenge.
            self.shared.sessions.remove(&key);
            session = token::fetch(self, source.clone()).await?;
            self.shared.sessions.insert(key, session.clone());
        }
        Ok(Some(session.header().clone()))
    }

    /// Finds out what a registry wants to be shown, after it refused a request.
    pub(super) async fn renew(&mut self, answer: &Answer) -> Result<HeaderValue, Error> {
        let key = self.session_key();
        self.shared.sessions.remove(&key);
        let session = match self.choose_challenge(answer)? {
            Challenge::Bearer(source) => token::fetch(self, source).await?,
            Challenge::Basic => {
                let header = self
                    .access
                    .credential
                    .as_ref()
                    .and_then(Credential::basic_header);
                let header = header.and_then(|header| token::header(&header));
                match header.filter(|header| self.shown.as_ref() != Some(header)) {
                    Some(header) => Session::Basic(header),
                    None => return Err(self.refusal(answer)),
                }
            }
            Challenge::Other { scheme: _ } => {
                return Err(Error::UnsupportedChallenge {
                    repository: self.repository.clone(),
                });
            }
        };
        self.shared.sessions.insert(key, session.clone());
        Ok(session.header().clone())
    }

    /// The challenge to answer: a token is preferred, since it does not carry the password.
    fn choose_challenge(&self, answer: &Answer) -> Result<Challenge, Error> {
        let mut offered = Vec::new();
        let mut unreadable = None;
        for value in answer
            .headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .take(MAX_CHALLENGE_HEADERS)
        {
            match challenge::parse(&String::from_utf8_lossy(value.as_bytes())) {
                Ok(challenges) => offered.extend(challenges),
                Err(error) => unreadable = Some(error),
            }
        }
        offered.sort_by_key(|challenge| match challenge {
            Challenge::Bearer(_) => 0,
            Challenge::Basic => 1,
            Challenge::Other { .. } => 2,
        });
        match (offered.into_iter().next(), unreadable) {
            (Some(challenge), _) => Ok(challenge),
            (None, Some(source)) => Err(Error::InvalidChallenge {
                repository: self.repository.clone(),
                source,
            }),
            (None, None) => Err(self.refusal(answer)),
        }
    }

    pub(super) fn session_key(&self) -> SessionKey {
        SessionKey {
            access: self.access.key(),
            endpoint: self.endpoint.as_str().to_owned(),
            path: self.path.clone(),
        }
    }
}
