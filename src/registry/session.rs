//! What repositories want to be shown, remembered between questions.
//!
//! Kept in memory only, bounded, and apart for every credential and every way of using TLS.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use image_update_core::wire::challenge::Bearer;
use reqwest::header::HeaderValue;
use tokio::time::Instant;

use super::access::AccessKey;

/// The most sessions that are remembered. A token is a few KiB; forgetting costs two requests.
const MAX_SESSIONS: usize = 4096;

/// What a session belongs to. A token's scope is the repository, so the path is part of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SessionKey {
    pub(super) access: AccessKey,
    pub(super) endpoint: String,
    pub(super) path: String,
}

/// How a repository was last asked with success.
#[derive(Clone)]
pub(super) enum Session {
    /// The header that carries user name and password.
    Basic(HeaderValue),
    /// The header that carries a token, and where the next one comes from.
    Bearer {
        header: HeaderValue,
        expires: Instant,
        source: Bearer,
    },
}

/// All sessions.
#[derive(Default)]
pub(super) struct Sessions(Mutex<HashMap<SessionKey, Session>>);

impl Sessions {
    pub(super) fn get(&self, key: &SessionKey) -> Option<Session> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    pub(super) fn insert(&self, key: SessionKey, session: Session) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() >= MAX_SESSIONS {
            sessions.retain(|_, session| !session.is_expired());
        }
        if sessions.len() >= MAX_SESSIONS {
            sessions.clear();
        }
        sessions.insert(key, session);
    }

    pub(super) fn remove(&self, key: &SessionKey) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(key);
    }
}

impl Session {
    pub(super) fn header(&self) -> &HeaderValue {
        match self {
            Self::Basic(header) | Self::Bearer { header, .. } => header,
        }
    }

    pub(super) fn is_expired(&self) -> bool {
        match self {
            Self::Basic(_) => false,
            Self::Bearer { expires, .. } => *expires <= Instant::now(),
        }
    }
}
