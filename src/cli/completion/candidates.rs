//! Names of a cluster that may stand where the cursor is.
//!
//! Shells put candidates into a command line as they are, so a name with a character that means
//! something to one of them is none.

use std::ffi::OsStr;
use std::sync::mpsc;
use std::time::Duration;

use clap_complete::engine::CompletionCandidate;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::config::Kubeconfig;
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};

use super::line::Line;
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
use crate::cli::cluster::{ClusterFlags, connect_quietly};

/// How long a person waits for a TAB.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Who has more does not choose from a list.
const MAX_NAMES: u32 = 500;

/// What may stand somewhere.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted {
    /// A context of the kubeconfig.
    Context,
    /// A namespace.
    Namespace,
    /// A policy.
    Policy,
    /// A policy's name, `policy/NAME` or `watch/NAME`.
    Target,
    /// An image of the policy that is named.
    Alias,
    /// `ALIAS=TAG` or `ALIAS-`.
    Pin,
}

impl Wanted {
    /// What begins with `current`.
    pub(super) fn candidates(self, line: &Line, current: &OsStr) -> Vec<CompletionCandidate> {
        let Some(current) = current.to_str() else {
            return Vec::new();
        };
        let texts = match self {
            Self::Context => contexts(),
            Self::Namespace | Self::Policy | Self::Target | Self::Alias | Self::Pin => {
                self.ask(line, current)
            }
        };
        let texts = texts
            .into_iter()
            .filter(|it| it.starts_with(current) && is_plain(it));
        texts.map(CompletionCandidate::new).collect()
    }

    /// Asks the cluster in a thread of its own: what reads a kubeconfig may run a program, which
    /// may take as long as it likes. It is left behind, and ends with this process.
    fn ask(self, line: &Line, current: &str) -> Vec<String> {
        let question = Question {
            wanted: self,
            flags: ClusterFlags::new(line.namespace.clone(), line.context.clone()),
            is_everywhere: line.is_everywhere,
            policy: line.policy.clone(),
            current: current.to_owned(),
        };
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let answer = runtime.enable_all().build().ok().and_then(|runtime| {
                let asked = async { tokio::time::timeout(PATIENCE, question.ask()).await };
                runtime.block_on(asked).ok().flatten()
            });
            sender.send(answer.unwrap_or_default()).ok();
        });
        receiver.recv_timeout(PATIENCE).unwrap_or_default()
    }
}

/// What the cluster is asked.
struct Question {
    wanted: Wanted,
    flags: ClusterFlags,
    is_everywhere: bool,
    policy: Option<String>,
    current: String,
}

impl Question {
    async fn ask(self) -> Option<Vec<String>> {
        let (kube, namespace) = connect_quietly(&self.flags).await?;
        match self.wanted {
            Wanted::Context => None,
            Wanted::Namespace => names(Api::<Namespace>::all(kube)).await,
            Wanted::Policy => names(self.api::<ImageUpdatePolicy>(kube, &namespace)).await,
            Wanted::Target => self.targets(kube, &namespace).await,
            Wanted::Alias => {
                let policy = self.policy(kube, &namespace).await?;
                Some(policy.spec.images.into_iter().map(|it| it.alias).collect())
            }
            Wanted::Pin => self.pins(kube, &namespace).await,
        }
    }

    fn api<K>(&self, kube: Client, namespace: &str) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        if self.is_everywhere {
            Api::all(kube)
        } else {
            Api::namespaced(kube, namespace)
        }
    }

    /// Names of policies, and watches by their kind; policies by theirs if one is written.
    async fn targets(&self, kube: Client, namespace: &str) -> Option<Vec<String>> {
        let (policies, watches) = tokio::join!(
            names(self.api::<ImageUpdatePolicy>(kube.clone(), namespace)),
            names(self.api::<ImageWatch>(kube.clone(), namespace)),
        );
        let prefix = if self.current.starts_with("policy/") {
            "policy/"
        } else {
            ""
        };
        let policies = policies.into_iter().flatten();
        let policies = policies.map(|name| format!("{prefix}{name}"));
        let watches = watches.into_iter().flatten();
        let watches = watches.map(|name| format!("watch/{name}"));
        Some(policies.chain(watches).collect())
    }

    async fn policy(&self, kube: Client, namespace: &str) -> Option<ImageUpdatePolicy> {
        let name = self.policy.as_deref()?;
        let api: Api<ImageUpdatePolicy> = Api::namespaced(kube, namespace);
        api.get_opt(name).await.ok().flatten()
    }

    /// First the images, then the newest tags of the one that is written.
    async fn pins(&self, kube: Client, namespace: &str) -> Option<Vec<String>> {
        let policy = self.policy(kube.clone(), namespace).await?;
        let Some((alias, _)) = self.current.split_once('=') else {
            let aliases = policy.spec.images.iter().map(|it| &it.alias);
            let forms = aliases.flat_map(|alias| [format!("{alias}="), format!("{alias}-")]);
            return Some(forms.collect());
        };
        let image = policy.spec.images.iter().find(|it| it.alias == alias)?;
        let reference = image.watch_ref.as_ref()?;
        let place = reference.namespace.as_deref().unwrap_or(namespace);
        let watches: Api<ImageWatch> = Api::namespaced(kube, place);
        let watch = watches.get_opt(&reference.name).await.ok().flatten()?;
        let tags = watch.status.unwrap_or_default().latest_tags.into_iter();
        Some(tags.map(|tag| format!("{alias}={tag}")).collect())
    }
}

async fn names<K>(api: Api<K>) -> Option<Vec<String>>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let found = api
        .list_metadata(&ListParams::default().limit(MAX_NAMES))
        .await;
    let names = found.ok()?.items.into_iter();
    Some(names.filter_map(|it| it.metadata.name).collect())
}

/// The contexts of the kubeconfig, which is no question to a cluster.
fn contexts() -> Vec<String> {
    let kubeconfig = Kubeconfig::read().unwrap_or_default();
    kubeconfig.contexts.into_iter().map(|it| it.name).collect()
}

/// Whether a text means itself to every shell.
fn is_plain(text: &str) -> bool {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "._/=@:+-".contains(it);
    text.chars().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_means_itself_to_a_shell_is_a_candidate() {
        for text in [
            "shop",
            "watch/app",
            "web=1.0.0",
            "arn:aws:eks:eu-1:1:cluster/a",
            "a@b",
        ] {
            assert!(is_plain(text), "{text}");
        }
        for text in [
            "$(id)", "a b", "`id`", "a;b", "a'b", "a\"b", "a\\b", "é", "a\nb", "~",
        ] {
            assert!(!is_plain(text), "{text}");
        }
    }
}
