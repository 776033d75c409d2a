//! What is told to others about a policy: a notification in, the body of a request out.
//!
//! Knows three formats and no address. What is told was sanitised where it was learnt; each format
//! escapes what would mean something in it.

mod cloud_events;
mod generic;
mod slack;

use jiff::Timestamp;

/// Something that happened to a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// What happened.
    pub kind: Kind,
    /// When.
    pub time: Timestamp,
    /// Tells it from every other one.
    pub id: String,
    /// The policy's namespace.
    pub namespace: String,
    /// The policy's name.
    pub name: String,
    /// The reason of its condition, or of its event.
    pub reason: &'static str,
    /// The same in a sentence.
    pub message: String,
    /// What was changed; empty unless something was written.
    pub changes: Vec<Change>,
    /// Where it was written.
    pub place: Option<Place>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Something was written.
    Updated,
    /// Something would be written, but something says no.
    Held,
    /// Something could not be decided or written.
    Failed,
}

/// One image that was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its alias.
    pub alias: String,
    /// What stood there; `None` for a new entry.
    pub old: Option<String>,
    /// What stands there now.
    pub new: String,
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A commit.
    Commit {
        /// The remote's address, without credentials.
        repository: String,
        /// The branch.
        branch: String,
        /// The commit's id.
        id: String,
    },
    /// An Application, as `namespace/name`.
    Application(String),
}

/// How a notification is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON with everything there is.
    Generic,
    /// What Slack, Mattermost and others take at an incoming webhook.
    Slack,
    /// A CloudEvent in structured mode, with the JSON of [`Format::Generic`] as its data.
    CloudEvents,
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// Its media type.
    pub content_type: &'static str,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Notification {
    /// The body in a format.
    pub fn body(&self, format: Format) -> Body {
        let (content_type, value) = match format {
            Format::Generic => ("application/json", generic::value(self)),
            Format::Slack => ("application/json", slack::value(self)),
            Format::CloudEvents => {
                let value = cloud_events::value(self);
                ("application/cloudevents+json", value)
            }
        };
        Body {
            content_type,
            bytes: value.to_string().into_bytes(),
        }
    }
}

impl Kind {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Updated => "Updated",
            Self::Held => "Held",
            Self::Failed => "Failed",
        }
    }
}

#[cfg(test)]
mod tests;
