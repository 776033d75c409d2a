//! One request: who sends it, what it says, and the answer.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};
use image_update_core::causes;
use image_update_core::webhook::{self, Delivery, Presented, Push, Vendor};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info};
use zeroize::Zeroizing;

use super::repeats::{self, Repeats};
use super::request::Head;
use super::secrets::Secrets;
use crate::metrics::Metrics;
use crate::server;

/// The longest body; argocd-image-updater's limit, which no registry comes near.
const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The longest body that goes by unread, for its sender to see the refusal.
const MAX_DISCARDED_BYTES: usize = 8 * MAX_BODY_BYTES;

/// How long a body may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// Takes webhooks.
pub(crate) struct Receiver {
    secrets: Secrets,
    pushes: mpsc::Sender<Vec<Push>>,
    repeats: Mutex<Repeats>,
    metrics: Metrics,
}

/// A request whose type is served, and that presents something for its secret.
struct Admitted {
    vendor: Vendor,
    secret: Zeroizing<Vec<u8>>,
}

/// What was done with a request that was in order.
#[derive(Debug)]
enum Taken {
    /// So many pushes were handed on.
    Accepted(usize),
    /// It tells of no push of a tag.
    Ignored,
    /// The same body was taken a while ago.
    Repeated,
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("there is no such webhook, or it has no secret")]
    Unknown,
    #[error("webhooks are POSTed")]
    Method,
    #[error("the secret or the signature is missing")]
    Unauthorized,
    #[error("the secret or the signature is wrong")]
    Forbidden,
    #[error("the body is larger than 1 MiB")]
    TooLarge,
    #[error("the body did not come in time, or not whole")]
    Interrupted,
    #[error("the body can't be read")]
    Malformed(#[source] webhook::Error),
    #[error("too many pushes at once; send it again")]
    Busy,
}

impl Receiver {
    /// Takes webhooks of senders that know their type's secret, and hands on what they say.
    pub(crate) fn new(secrets: Secrets, pushes: mpsc::Sender<Vec<Push>>, metrics: Metrics) -> Self {
        Self {
            secrets,
            pushes,
            repeats: Mutex::default(),
            metrics,
        }
    }

    /// Takes one request.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let head = Head::of(&request);
        let vendor = head.vendor();
        let taken = match self.admit(vendor, &head).await {
            Ok(admitted) => self.take(&admitted, &head, request.into_body()).await,
            Err(refusal) => {
                discard(request.into_body()).await;
                Err(refusal)
            }
        };
        let (outcome, answer) = match &taken {
            Ok(taken) => (taken.as_str(), taken.answer()),
            Err(refusal) => (refusal.as_str(), refusal.answer()),
        };
        // A name that somebody made up must not become a series.
        let vendor = vendor.map_or("unknown", Vendor::as_str);
        self.metrics.webhook(vendor, outcome);
        match &taken {
            Ok(Taken::Accepted(pushes)) => {
                info!(webhook = vendor, pushes, "A registry tells of pushes");
            }
            Ok(Taken::Ignored | Taken::Repeated) => {
                debug!(webhook = vendor, outcome, "Took a webhook");
            }
            Err(refusal) => debug!(
                webhook = vendor,
                error = refusal as &dyn std::error::Error,
                "Refused a webhook"
            ),
        }
        answer
    }

    /// What can be refused without the body is.
    async fn admit(&self, vendor: Option<Vendor>, head: &Head) -> Result<Admitted, Refusal> {
        let vendor = vendor.ok_or(Refusal::Unknown)?;
        let secret = self.secrets.get(vendor).await.ok_or(Refusal::Unknown)?;
        if !head.is_post() {
            return Err(Refusal::Method);
        }
        if head.presented(vendor).is_empty() {
            return Err(Refusal::Unauthorized);
        }
        Ok(Admitted { vendor, secret })
    }

    async fn take(
        &self,
        admitted: &Admitted,
        head: &Head,
        body: Incoming,
    ) -> Result<Taken, Refusal> {
        let Admitted { vendor, secret } = admitted;
        let body = read(body).await?;
        let is_known = head.presented(*vendor).iter().any(|(proof, value)| {
            let body = &body;
            proof.holds(secret, &Presented { value, body })
        });
        if !is_known {
            return Err(Refusal::Forbidden);
        }
        let delivery = Delivery {
            event: head.event(*vendor),
            registry: head.registry(),
            body: &body,
        };
        let pushes = webhook::read(*vendor, &delivery).map_err(Refusal::Malformed)?;
        self.hand_on(*vendor, &delivery, pushes)
    }

    fn hand_on(
        &self,
        vendor: Vendor,
        delivery: &Delivery<'_>,
        pushes: Vec<Push>,
    ) -> Result<Taken, Refusal> {
        if pushes.is_empty() {
            return Ok(Taken::Ignored);
        }
        let registry = delivery.registry.unwrap_or_default();
        let body = [
            vendor.as_str().as_bytes(),
            registry.as_bytes(),
            delivery.body,
        ];
        let body = vendor.has_unique_bodies().then(|| repeats::body(&body));
        let mut repeats = self.repeats.lock().unwrap_or_else(PoisonError::into_inner);
        if body.is_some_and(|body| !repeats.note(body, Instant::now())) {
            return Ok(Taken::Repeated);
        }
        let count = pushes.len();
        if self.pushes.try_send(pushes).is_err() {
            if let Some(body) = &body {
                repeats.forget(body);
            }
            return Err(Refusal::Busy);
        }
        Ok(Taken::Accepted(count))
    }
}

/// A body of at most [`MAX_BODY_BYTES`].
async fn read(body: Incoming) -> Result<Bytes, Refusal> {
    let mut whole = BytesMut::new();
    let length = each_piece(body, |piece, length| {
        if length <= MAX_BODY_BYTES {
            whole.extend_from_slice(piece);
        } else {
            whole = BytesMut::new();
        }
    });
    if length.await? > MAX_BODY_BYTES {
        return Err(Refusal::TooLarge);
    }
    Ok(whole.freeze())
}

/// Lets a body go by: many senders do not look at an answer before they have sent all.
async fn discard(body: Incoming) {
    drop(each_piece(body, |_, _| {}).await);
}

/// Calls `take` for each piece of a body, with the length so far, and returns that of all; it stops
/// at [`MAX_DISCARDED_BYTES`].
async fn each_piece(
    mut body: Incoming,
    mut take: impl FnMut(&[u8], usize),
) -> Result<usize, Refusal> {
    let mut length = 0_usize;
    let pieces = async {
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Refusal::Interrupted)?;
            if let Some(piece) = frame.data_ref() {
                length = length.saturating_add(piece.len());
                take(piece, length);
            }
            if length > MAX_DISCARDED_BYTES {
                break;
            }
        }
        Ok(length)
    };
    let pieces = tokio::time::timeout(BODY_TIMEOUT, pieces);
    pieces.await.unwrap_or(Err(Refusal::Interrupted))
}

impl Taken {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accepted",
            Self::Ignored => "ignored",
            Self::Repeated => "repeated",
        }
    }

    fn answer(&self) -> Response<Full<Bytes>> {
        let text = match self {
            Self::Accepted(1) => "1 push\n".to_owned(),
            Self::Accepted(count) => format!("{count} pushes\n"),
            Self::Ignored => "nothing was pushed\n".to_owned(),
            Self::Repeated => "the same was sent before\n".to_owned(),
        };
        server::text(StatusCode::OK, text)
    }
}

impl Refusal {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Method => "method",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "too_large",
            Self::Interrupted => "interrupted",
            Self::Malformed(_) => "malformed",
            Self::Busy => "busy",
        }
    }

    fn answer(&self) -> Response<Full<Bytes>> {
        let status = match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Interrupted => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut answer = server::text(status, format!("{}\n", causes::in_one_line(self)));
        let header = match self {
            Self::Method => Some((ALLOW, "POST")),
            Self::Busy => Some((RETRY_AFTER, "5")),
            Self::Unknown
            | Self::Unauthorized
            | Self::Forbidden
            | Self::TooLarge
            | Self::Interrupted
            | Self::Malformed(_) => None,
        };
        if let Some((name, value)) = header {
            answer
                .headers_mut()
                .insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}
