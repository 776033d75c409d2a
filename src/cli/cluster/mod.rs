//! Commands that act on objects of a cluster, as `kubectl` would: by its configuration, with the
//! rights of the user.

mod act;
mod age;
mod explain;
mod get;
mod list;

use std::fmt;

use clap::Args;
use kube::config::{ExecInteractiveMode, KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::failure::Failure;

pub(super) use act::{
    PinArgs, ReconcileArgs, ReleaseArgs, SuspendArgs, pin, reconcile, release, resume, suspend,
};
pub(super) use explain::{ExplainPolicyArgs, explain_policy};
pub(super) use get::{GetArgs, get};

/// The most characters that are shown of what an API server says.
const MAX_SAID: usize = 400;

/// Which cluster, and where in it.
#[derive(Args, Debug)]
pub(super) struct ClusterFlags {
    /// The namespace. Unset: that of the kubeconfig's context
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,

    /// The context of the kubeconfig. Unset: its current one
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
}

/// An object to act on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// An ImageUpdatePolicy.
    Policy(String),
    /// An ImageWatch.
    Watch(String),
}

/// Why a text names no object.
#[derive(Debug, thiserror::Error)]
#[error("expected NAME of a policy, policy/NAME or watch/NAME")]
pub(super) struct TargetError;

/// Why a text names no policy.
#[derive(Debug, thiserror::Error)]
#[error("expected NAME of a policy, or policy/NAME; -n names the namespace")]
struct PolicyNameError;

/// The name of a policy, with or without its kind before it.
fn policy_name(text: &str) -> Result<String, PolicyNameError> {
    match text.parse() {
        Ok(Target::Policy(name)) => Ok(name),
        Ok(Target::Watch(_)) | Err(TargetError) => Err(PolicyNameError),
    }
}

/// Whether an object may have this name:
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names>.
/// Any other would be part of an address where it is put into one.
fn is_name(text: &str) -> bool {
    let is_end = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_inner = |byte: u8| is_end(&byte) || matches!(byte, b'-' | b'.');
    let bytes = text.as_bytes();
    text.len() <= 253
        && text.bytes().all(is_inner)
        && bytes.first().is_some_and(is_end)
        && bytes.last().is_some_and(is_end)
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Policy(name) => write!(formatter, "policy/{name}"),
            Self::Watch(name) => write!(formatter, "watch/{name}"),
        }
    }
}

impl std::str::FromStr for Target {
    type Err = TargetError;

    /// A name alone is a policy's.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (kind, name) = text.split_once('/').unwrap_or(("policy", text));
        match kind {
            "policy" | "iup" | "imageupdatepolicy" if is_name(name) => {
                Ok(Self::Policy(name.to_owned()))
            }
            "watch" | "iw" | "imagewatch" if is_name(name) => Ok(Self::Watch(name.to_owned())),
            _ => Err(TargetError),
        }
    }
}

impl ClusterFlags {
    /// As if these had been given.
    pub(super) fn new(namespace: Option<String>, context: Option<String>) -> Self {
        Self { namespace, context }
    }

    /// How the cluster is reached, and the namespace that is meant.
    async fn config(&self) -> Result<(Config, String), Failure> {
        let hint = "set KUBECONFIG, or name a context of it with --context";
        let config = match &self.context {
            Some(context) => {
                let options = KubeConfigOptions {
                    context: Some(context.clone()),
                    ..KubeConfigOptions::default()
                };
                let kubeconfig = Kubeconfig::read();
                let kubeconfig = kubeconfig.map_err(|error| Failure::input(error).hint(hint))?;
                let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
                config.map_err(|error| Failure::input(error).hint(hint))?
            }
            None => Config::infer().await.map_err(|error| {
                // Of both ways to a cluster, the kubeconfig's is a person's.
                let said = std::error::Error::source(&error).map(ToString::to_string);
                let said = said.unwrap_or_else(|| error.to_string());
                Failure::input(anyhow::anyhow!("no cluster is named: {}", shown(&said))).hint(hint)
            })?,
        };
        let namespace = self.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        Ok((config, namespace))
    }
}

/// A cluster that is asked.
struct Cluster {
    kube: Client,
    /// The namespace that is meant.
    namespace: String,
    /// Its address, for a person.
    server: String,
}

async fn connect(flags: &ClusterFlags) -> Result<Cluster, Failure> {
    crate::tls::install_provider();
    let (config, namespace) = flags.config().await?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config);
    let client = client.map_err(|error| {
        Failure::failed(error).hint("set KUBECONFIG, or name a context of it with --context")
    })?;
    Ok(Cluster {
        kube: client,
        namespace,
        server,
    })
}

/// As [`connect`] for whoever can't be asked for a password or told of an error.
pub(super) async fn connect_quietly(flags: &ClusterFlags) -> Option<(Client, String)> {
    crate::tls::install_provider();
    let (mut config, namespace) = flags.config().await.ok()?;
    if let Some(program) = &mut config.auth_info.exec {
        program.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    Some((Client::try_from(config).ok()?, namespace))
}

impl Cluster {
    /// What the API server said, or that there is none, in words for a person.
    fn refused(&self, error: kube::Error) -> Failure {
        let kube::Error::Api(answer) = error else {
            return Failure::failed(error)
                .about(format!("the cluster at {}", shown(&self.server)))
                .hint("check the kubeconfig and the way to the cluster");
        };
        let said = shown(&answer.message);
        // Of an object that is not there, the name is told; of a kind that is not, nothing.
        let is_of_object = answer
            .details
            .as_ref()
            .is_some_and(|it| !it.name.is_empty());
        Failure::failed(anyhow::anyhow!("the API server said: {said}")).hint(match answer.code {
            401 => "log in anew, or name another context with --context",
            403 => "ask for the right, or name another context with --context",
            404 if is_of_object => "get lists what there is; -n names a namespace",
            404 => "has this cluster the kinds? crds prints them, for kubectl apply -f -",
            409 => "somebody changed it meanwhile: try again",
            _ => "try again",
        })
    }
}

/// What somebody else said, without what acts on a terminal; a sentence about rights fits.
fn shown(text: &str) -> String {
    let visible = text.chars().filter(|it| !it.is_control());
    visible.take(MAX_SAID).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(policy_name(text).ok().as_deref(), expected, "{text}");
    }

    #[test]
    fn a_policy_is_named_as_the_program_prints_it() {
        check("shop", Some("shop"));
        check("policy/shop", Some("shop"));
        check("iup/shop", Some("shop"));
        check("a.b-c", Some("a.b-c"));
        // Parts of an address, all of them.
        check("shop/status", None);
        check("policy/shop/status", None);
        check("shop?dryRun=All", None);
        check("..", None);
        check("watch/shop", None);
        check("demo/shop", None);
        check("Shop", None);
        check("", None);
    }
}
