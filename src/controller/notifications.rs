//! Tells those whom policies, and the operator's own settings, name.
//!
//! Nobody waits for it: a receiver that does not answer holds up no update. What can't be sent is
//! an event of the policy, which names the Secret and never the address.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use image_update_core::causes;
use image_update_core::notification::{Format, Kind, Notification};
use image_update_core::secret::SecretData;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource as _;
use kube::runtime::events::EventType;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::context::Context;
use super::events::{self, Notice};
use super::secrets;
use crate::api::v1alpha1::{
    ImageUpdatePolicy, NotificationEvent, NotificationFormat, NotificationSpec, Reason,
};
use crate::config::{NotifyConfig, NotifyFormat, NotifyOn};
use crate::notify::{self, Address};

/// Notifications that are sent at once; those that wait for another attempt count, too.
const CONCURRENCY: usize = 32;

/// The most that wait. Beyond that a receiver is not there, and more would be too late.
const MAX_WAITING: usize = 1000;

/// How long the last ones may take when the operator stops.
const LAST: Duration = Duration::from_secs(5);

/// The most that is read of a file of an address.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The files of an address, named as the keys of a Secret.
const FILES: [&str; 4] = ["address", "token", "headers", "ca.crt"];

/// Notifications that are under way, and the address that is told of all policies.
pub(super) struct Notifications {
    under_way: TaskTracker,
    permits: Semaphore,
    global: Option<Receiver>,
}

/// Who is told of what, and how.
#[derive(Clone)]
struct Receiver {
    place: Place,
    format: Format,
    on: Vec<Kind>,
}

/// Where an address stands.
#[derive(Clone)]
enum Place {
    /// A Secret of the policy's namespace.
    Secret(String),
    /// Files of the operator's own.
    Folder(PathBuf),
}

/// Why somebody was not told.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("the Secret {name} can't be read")]
    Secret {
        name: String,
        #[source]
        source: Box<super::error::Error>,
    },
    #[error("Secret {name}")]
    OfSecret {
        name: String,
        #[source]
        source: notify::Error,
    },
    #[error("--notify-secret-dir")]
    OfFolder(#[source] notify::Error),
}

impl Notifications {
    /// Nothing is under way yet.
    pub(super) fn new(config: &NotifyConfig) -> Self {
        let global = config.notify_secret_dir.as_ref().map(|folder| Receiver {
            place: Place::Folder(folder.clone()),
            format: match config.notify_format {
                NotifyFormat::Generic => Format::Generic,
                NotifyFormat::Slack => Format::Slack,
                NotifyFormat::CloudEvents => Format::CloudEvents,
            },
            on: config.notify_on.iter().map(|it| of_config(*it)).collect(),
        });
        Self {
            global,
            ..Self::none()
        }
    }

    /// Nobody but those whom policies name.
    pub(super) fn none() -> Self {
        Self {
            under_way: TaskTracker::new(),
            permits: Semaphore::new(CONCURRENCY),
            global: None,
        }
    }

    /// Has everybody told who wants to know.
    pub(super) fn tell(
        &self,
        context: &Arc<Context>,
        policy: &ImageUpdatePolicy,
        news: Vec<Notification>,
    ) {
        for news in news {
            let own = policy.spec.notify.iter().map(Receiver::of_spec);
            let receivers = own.chain(self.global.clone());
            for receiver in receivers.filter(|it| it.on.contains(&news.kind)) {
                if self.under_way.len() >= MAX_WAITING {
                    context.metrics.notification("dropped");
                    warn!("Too many notifications wait; one was dropped");
                    continue;
                }
                let (context, news) = (Arc::clone(context), news.clone());
                let object = policy.object_ref(&());
                self.under_way
                    .spawn(async move { deliver(&context, &receiver, &news, &object).await });
            }
        }
    }

    /// How many are under way or wait.
    pub(super) fn len(&self) -> usize {
        self.under_way.len()
    }

    /// Waits until all is sent, for a few seconds at most.
    pub(super) async fn finish(&self) {
        self.under_way.close();
        if tokio::time::timeout(LAST, self.under_way.wait())
            .await
            .is_err()
        {
            warn!(
                notifications = self.under_way.len(),
                "Stopped before all was told"
            );
        }
    }
}

impl Receiver {
    fn of_spec(spec: &NotificationSpec) -> Self {
        Self {
            place: Place::Secret(spec.secret_ref.name.clone()),
            format: match spec.format {
                NotificationFormat::Generic => Format::Generic,
                NotificationFormat::Slack => Format::Slack,
                NotificationFormat::CloudEvents => Format::CloudEvents,
            },
            on: spec.events.iter().map(|it| of_spec(*it)).collect(),
        }
    }
}

impl Place {
    /// The Secret, for a policy of `namespace`.
    fn object(&self, namespace: &str) -> Option<ObjectReference> {
        match self {
            Self::Secret(name) => Some(ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Secret".to_owned()),
                name: Some(name.clone()),
                namespace: Some(namespace.to_owned()),
                ..ObjectReference::default()
            }),
            Self::Folder(_) => None,
        }
    }
}

fn of_spec(event: NotificationEvent) -> Kind {
    match event {
        NotificationEvent::Updated => Kind::Updated,
        NotificationEvent::Held => Kind::Held,
        NotificationEvent::Failed => Kind::Failed,
    }
}

fn of_config(event: NotifyOn) -> Kind {
    match event {
        NotifyOn::Updated => Kind::Updated,
        NotifyOn::Held => Kind::Held,
        NotifyOn::Failed => Kind::Failed,
    }
}

async fn deliver(
    context: &Context,
    receiver: &Receiver,
    news: &Notification,
    object: &ObjectReference,
) {
    // It is never closed; if it were, telling would be the lesser harm.
    let _permit = context.notifications.permits.acquire().await.ok();
    match send(context, receiver, news).await {
        Ok(()) => {
            context.metrics.notification("sent");
            debug!(
                object.namespace = news.namespace,
                object.name = news.name,
                event = news.kind.as_str(),
                "Sent a notification"
            );
        }
        Err(error) => {
            context.metrics.notification("failed");
            warn!(
                object.namespace = news.namespace,
                object.name = news.name,
                error = &error as &dyn std::error::Error,
                "Could not send a notification"
            );
            let notice = Notice {
                type_: EventType::Warning,
                reason: Reason::NotificationFailed,
                action: "Notify",
                note: causes::in_one_line(&error),
            };
            let about = receiver.place.object(&news.namespace);
            let now = context.clock.now();
            events::publish_one(&context.kube, object, notice, about, now).await;
        }
    }
}

async fn send(context: &Context, receiver: &Receiver, news: &Notification) -> Result<(), Error> {
    let (allowed, body) = (&context.allowed_hosts, news.body(receiver.format));
    match &receiver.place {
        Place::Secret(name) => {
            let secret = secrets::secret(&context.kube, &news.namespace, name).await;
            let secret = secret.map_err(|source| Error::Secret {
                name: name.clone(),
                source: Box::new(source),
            })?;
            let sent = async {
                let address = Address::of_secret(&secret.data)?;
                notify::send(&address, allowed, &body).await
            };
            sent.await.map_err(|source| Error::OfSecret {
                name: name.clone(),
                source,
            })
        }
        Place::Folder(folder) => {
            let sent = async {
                let data = read(folder).await;
                let address = Address::of_secret(&data)?;
                notify::send(&address, allowed, &body).await
            };
            sent.await.map_err(Error::OfFolder)
        }
    }
}

/// The files of a folder as the data of a Secret; what can't be read is missing.
async fn read(folder: &Path) -> SecretData {
    let mut data = SecretData::default();
    for name in FILES {
        let Ok(file) = tokio::fs::File::open(folder.join(name)).await else {
            continue;
        };
        let mut bytes = Vec::new();
        if file
            .take(MAX_FILE_BYTES)
            .read_to_end(&mut bytes)
            .await
            .is_ok()
        {
            data.insert(name.to_owned(), bytes);
        }
    }
    data
}
