//! The ways to misbehave, and the script that says when.

use std::time::Duration;

/// As many times as there are requests.
pub const ALWAYS: usize = usize::MAX;

/// One way to answer wrongly.
#[derive(Debug, Clone)]
pub enum Fault {
    /// Answers with this status and an error document of the registry's form.
    Status {
        /// The HTTP status.
        status: u16,
        /// `errors[].message`.
        message: String,
        /// The `Retry-After` header.
        retry_after: Option<String>,
    },
    /// Answers 401 with this `WWW-Authenticate` header, whoever asks.
    Challenge(String),
    /// Answers 200 with this body, as JSON.
    Body(String),
    /// Answers 200 with the right body under this content type.
    ContentType(&'static str),
    /// Ends the right body in its middle, as if that were all.
    TruncatedJson,
    /// Drops the connection in the middle of the right body.
    CutConnection,
    /// Answers with one made-up tag and a link to a page that has another one.
    EndlessPage,
    /// Answers with the right page and a link to the page itself.
    SamePage,
    /// Answers with the right page and this target as the next one.
    Link(String),
    /// Answers with the right page and this whole `Link` header.
    LinkHeader(String),
    /// Sends a tag list of at least so many bytes.
    HugeBody(usize),
    /// Sends the right body byte by byte with a pause after each.
    SlowDrip(Duration),
    /// Does not answer for this long, then properly.
    Silence(Duration),
    /// Sends the client to this URL (307).
    Redirect(String),
    /// Sends the client to where it is.
    RedirectLoop,
    /// Names a digest that is not the body's.
    WrongDigest,
    /// Names no digest.
    NoDigest,
    /// Answers 400 and repeats the `Authorization` header in the error message.
    EchoAuthorization,
}

impl Fault {
    /// An error status without `Retry-After`.
    pub fn status(status: u16) -> Self {
        Self::Status {
            status,
            message: "by script".to_owned(),
            retry_after: None,
        }
    }

    /// 429, perhaps with a `Retry-After` header.
    pub fn too_many_requests(retry_after: Option<&str>) -> Self {
        Self::Status {
            status: 429,
            message: "slow down".to_owned(),
            retry_after: retry_after.map(str::to_owned),
        }
    }
}

/// Faults in the order they were added; the first that is due is used.
#[derive(Debug, Default)]
pub(super) struct Script {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    skip: usize,
    fault: Fault,
    remaining: usize,
}

impl Script {
    pub(super) fn add(&mut self, skip: usize, fault: Fault, times: usize) {
        self.entries.push(Entry {
            skip,
            fault,
            remaining: times,
        });
    }

    /// The fault of the next request, if one is due.
    pub(super) fn next(&mut self) -> Option<Fault> {
        let mut due = None;
        for entry in &mut self.entries {
            if entry.skip > 0 {
                entry.skip -= 1;
            } else if due.is_none() && entry.remaining > 0 {
                entry.remaining -= 1;
                due = Some(entry.fault.clone());
            }
        }
        self.entries.retain(|entry| entry.remaining > 0);
        due
    }
}
