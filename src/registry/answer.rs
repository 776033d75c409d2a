//! A response that was read to its end, within a bound.

use bytes::{Bytes, BytesMut};
use image_update_core::image::Excerpt;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode};
use url::Url;

use super::error::BodyError;

/// The most that is read of an error document: a few messages of a sentence each.
const MAX_ERROR_BYTES: usize = 64 * 1024;

/// A response with its whole body.
pub(super) struct Answer {
    /// Where it came from.
    pub(super) url: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Why a body was not read to its end.
pub(super) enum Unread {
    TooLarge,
    Broken(reqwest::Error),
}

impl Answer {
    /// Reads a response whose body has at most `limit` bytes.
    ///
    /// The body of an error is for its message only: when it is too large or breaks off, the
    /// status still counts, and the body is empty.
    pub(super) async fn read(response: Response, limit: usize) -> Result<Self, Unread> {
        let url = response.url().clone();
        let status = response.status();
        let headers = response.headers().clone();
        let body = if status.is_success() {
            read_body(response, limit).await?
        } else {
            read_body(response, MAX_ERROR_BYTES)
                .await
                .unwrap_or_default()
        };
        Ok(Self {
            url,
            status,
            headers,
            body,
        })
    }

    /// The media type without parameters, in lower case.
    pub(super) fn media_type(&self) -> Option<String> {
        let value = self.headers.get(CONTENT_TYPE)?;
        let text = String::from_utf8_lossy(value.as_bytes());
        let media_type = text.split(';').next().unwrap_or_default().trim();
        Some(media_type.to_ascii_lowercase())
    }

    /// The content type as a problem.
    pub(super) fn wrong_content_type(&self) -> BodyError {
        match self.media_type() {
            Some(media_type) => BodyError::ContentType(Excerpt::new(&media_type)),
            None => BodyError::NoContentType,
        }
    }
}

async fn read_body(mut response: Response, limit: usize) -> Result<Bytes, Unread> {
    let announced = response
        .content_length()
        .and_then(|length| usize::try_from(length).ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(Unread::TooLarge);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or_default());
    while let Some(chunk) = response.chunk().await.map_err(Unread::Broken)? {
        if body.len() + chunk.len() > limit {
            return Err(Unread::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
