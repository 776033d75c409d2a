//! One notification: sent, and sent again for a while if that may help.

use std::error::Error as _;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use image_update_core::notification::Body;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::{Address, Error};
use crate::hosts::AllowedHosts;
use crate::hosts::resolver::{ResolveError, Resolver};

/// How often a notification is sent before it is given up.
const ATTEMPTS: u32 = 5;

/// The wait after the first failure; each further one is twice as long.
const FIRST_DELAY: Duration = Duration::from_secs(1);

/// The longest wait that a receiver may ask for. News that come later are none.
const MAX_RETRY_AFTER: Duration = Duration::from_mins(2);

/// How long one attempt may take.
const TIMEOUT: Duration = Duration::from_secs(10);

const USER_AGENT: &str = concat!("image-update-operator/", env!("CARGO_PKG_VERSION"));

/// Sends a body until the receiver takes it, for five attempts.
pub(crate) async fn send(
    address: &Address,
    allowed: &AllowedHosts,
    body: &Body,
) -> Result<(), Error> {
    address.check(allowed)?;
    crate::tls::install_provider();
    let client = address.client(
        Client::builder()
            .user_agent(USER_AGENT)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .dns_resolver(Resolver)
            .timeout(TIMEOUT),
    )?;
    let mut attempt = 1;
    loop {
        let error = match once(&client, address, body).await {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        if attempt == ATTEMPTS || !error.may_pass() {
            return Err(error);
        }
        let asked = error.retry_after().map(|it| it.min(MAX_RETRY_AFTER));
        tokio::time::sleep(asked.unwrap_or_else(|| delay(attempt))).await;
        attempt += 1;
    }
}

async fn once(client: &Client, address: &Address, body: &Body) -> Result<(), Error> {
    let request = client
        .post(address.url.clone())
        .headers(address.headers.clone())
        .header(CONTENT_TYPE, body.content_type)
        .body(body.bytes.clone());
    let response = request.send().await.map_err(|error| classify(&error))?;
    check(&response)
}

fn check(response: &Response) -> Result<(), Error> {
    let status = response.status();
    if status.is_success() {
        return Ok(());
    }
    Err(Error::Refused {
        status,
        retry_after: retry_after(response.headers()),
    })
}

/// The seconds of `Retry-After`; no receiver of webhooks sends a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// What a failure means; its own text has the address in it.
fn classify(error: &reqwest::Error) -> Error {
    let mut causes = std::iter::successors(error.source(), |&cause| cause.source());
    let is_link_local = |cause: &(dyn std::error::Error + 'static)| {
        matches!(cause.downcast_ref(), Some(ResolveError::LinkLocal))
    };
    if causes.any(is_link_local) {
        Error::LinkLocal
    } else if error.is_timeout() {
        Error::Timeout
    } else {
        Error::Unreachable
    }
}

/// Between half and all of a doubling delay, so that those who failed together do not come back
/// together.
fn delay(attempt: u32) -> Duration {
    let full = FIRST_DELAY * 2_u32.saturating_pow(attempt - 1);
    // The keys of a RandomState differ for each one; jitter needs no better randomness.
    let random = u32::try_from(RandomState::new().hash_one(0) % 1000).unwrap_or_default();
    full / 2 + full * random / 2000
}
