//! Commands that act on objects of a cluster, as `kubectl` would: by its configuration, with the
//! rights of the user.

mod act;
mod explain;
mod get;

use clap::Args;
use image_update_core::image::Excerpt;
use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::failure::Failure;

pub(super) use act::{
    PinArgs, ReconcileArgs, ReleaseArgs, SuspendArgs, pin, reconcile, release, resume, suspend,
};
pub(super) use explain::{ExplainPolicyArgs, explain_policy};
pub(super) use get::{GetArgs, get};

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

impl std::str::FromStr for Target {
    type Err = TargetError;

    /// A name alone is a policy's.
    fn from_str(text: &str) -> Result<Self, TargetError> {
        let (kind, name) = text.split_once('/').unwrap_or(("policy", text));
        let is_name = |name: &str| !name.is_empty() && !name.contains('/');
        match kind {
            "policy" | "iup" | "imageupdatepolicy" if is_name(name) => {
                Ok(Self::Policy(name.to_owned()))
            }
            "watch" | "iw" | "imagewatch" if is_name(name) => Ok(Self::Watch(name.to_owned())),
            _ => Err(TargetError),
        }
    }
}

/// A client, and the namespace that is meant.
async fn connect(flags: &ClusterFlags) -> Result<(Client, String), Failure> {
    crate::tls::install_provider();
    let hint = "set KUBECONFIG, or name a context of it with --context";
    let options = KubeConfigOptions {
        context: flags.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = match &flags.context {
        Some(_) => {
            let kubeconfig = Kubeconfig::read();
            let kubeconfig = kubeconfig.map_err(|error| Failure::input(error).hint(hint))?;
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
            config.map_err(|error| Failure::input(error).hint(hint))?
        }
        None => kube::Config::infer()
            .await
            .map_err(|error| Failure::input(error).hint(hint))?,
    };
    let namespace = flags.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config);
    let client = client.map_err(|error| Failure::failed(error).hint(hint))?;
    Ok((client, namespace))
}

/// What the API server said, in words for a person.
fn refused(error: kube::Error) -> Failure {
    let kube::Error::Api(answer) = error else {
        return Failure::failed(error).hint("check the kubeconfig and the way to the cluster");
    };
    let said = Excerpt::new(&answer.message);
    Failure::failed(anyhow::anyhow!("the API server said: {said}")).hint(match answer.code {
        401 | 403 => "ask for the right, or name another context with --context",
        404 => "image-update-operator get lists what there is; -n names a namespace",
        _ => "try again",
    })
}
