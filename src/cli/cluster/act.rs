//! `suspend`, `resume`, `reconcile`, `pin`, `release`: annotations on objects. A change of the spec
//! would be taken back by the tool that keeps it in git.

use std::collections::BTreeMap;

use clap::Args;
use image_update_core::image::{Candidate, Tag};
use image_update_core::policy::{Order, Rejection, Strategy, select};
use kube::Resource;
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Cluster, ClusterFlags, Target, connect, policy_name};
use crate::api::v1alpha1::{ImageState, ImageUpdatePolicy, ImageWatch, annotations};
use crate::api::validate;
use crate::cli::clock::now;
use crate::cli::failure::{Failure, warn};

/// Flags of `suspend` and `resume`.
#[derive(Args, Debug)]
pub(in crate::cli) struct SuspendArgs {
    /// The objects: a policy's name, `policy/NAME` or `watch/NAME`
    #[arg(value_name = "NAME", required = true)]
    targets: Vec<Target>,

    #[command(flatten)]
    cluster: ClusterFlags,
}

/// Flags of `reconcile`.
#[derive(Args, Debug)]
pub(in crate::cli) struct ReconcileArgs {
    /// The objects: a policy's name, `policy/NAME` or `watch/NAME`
    #[arg(value_name = "NAME", required = true)]
    targets: Vec<Target>,

    #[command(flatten)]
    cluster: ClusterFlags,
}

/// Flags of `release`.
#[derive(Args, Debug)]
pub(in crate::cli) struct ReleaseArgs {
    /// The policies
    #[arg(value_name = "NAME", required = true, value_parser = policy_name)]
    policies: Vec<String>,

    #[command(flatten)]
    cluster: ClusterFlags,
}

/// Flags of `pin`.
#[derive(Args, Debug)]
pub(in crate::cli) struct PinArgs {
    /// The policy
    #[arg(value_name = "NAME", value_parser = policy_name)]
    policy: String,

    /// `ALIAS=TAG` stops that image at the tag, `ALIAS-` lets it go again
    #[arg(value_name = "ALIAS=TAG|ALIAS-", required = true)]
    pins: Vec<Pin>,

    #[command(flatten)]
    cluster: ClusterFlags,
}

/// An image, and the tag it is to stop at; `None` lets it go.
#[derive(Clone, Debug)]
struct Pin {
    alias: String,
    tag: Option<Tag>,
}

/// Why a text is no pin.
#[derive(Debug, thiserror::Error)]
enum PinError {
    #[error("expected ALIAS=TAG or ALIAS-")]
    Form,
    #[error("{0}")]
    Tag(image_update_core::image::TagError),
    #[error("policy {policy} has no image {alias}; it has {known}")]
    UnknownAlias {
        policy: String,
        alias: String,
        known: String,
    },
    #[error("annotation image-update.dev/pins of policy {0} is not a JSON object of tags by alias")]
    Annotation(String),
}

impl std::str::FromStr for Pin {
    type Err = PinError;

    fn from_str(text: &str) -> Result<Self, PinError> {
        let (alias, tag) = match text.split_once('=') {
            Some((alias, tag)) => (alias, Some(tag.parse().map_err(PinError::Tag)?)),
            None => (text.strip_suffix('-').ok_or(PinError::Form)?, None),
        };
        if alias.is_empty() {
            return Err(PinError::Form);
        }
        let alias = alias.to_owned();
        Ok(Self { alias, tag })
    }
}

/// Suspends objects.
#[tokio::main(flavor = "current_thread")]
pub(in crate::cli) async fn suspend(args: &SuspendArgs) -> Result<(), Failure> {
    let annotation = json!({ annotations::SUSPEND: "true" });
    annotate_all(&args.cluster, &args.targets, &annotation, "suspended").await
}

/// Ends a suspension by annotation. One by the spec is for whoever keeps that, who is told.
#[tokio::main(flavor = "current_thread")]
pub(in crate::cli) async fn resume(args: &SuspendArgs) -> Result<(), Failure> {
    let annotation = json!({ annotations::SUSPEND: Value::Null });
    annotate_all(&args.cluster, &args.targets, &annotation, "resumed").await?;
    let cluster = connect(&args.cluster).await?;
    let mut failures = Vec::new();
    for target in &args.targets {
        if is_suspended_by_spec(&cluster, target).await {
            let error = anyhow::anyhow!("it stays suspended: its spec.suspend is true");
            let failure = Failure::failed(error).hint("set it to false where the object is kept");
            failures.push(failure.about(target));
        }
    }
    ended(failures, args.targets.len())
}

/// What can't be read counts as not suspended: it was resumed a moment ago.
async fn is_suspended_by_spec(cluster: &Cluster, target: &Target) -> bool {
    let (kube, namespace) = (cluster.kube.clone(), &cluster.namespace);
    match target {
        Target::Policy(name) => {
            let policies: Api<ImageUpdatePolicy> = Api::namespaced(kube, namespace);
            let policy = policies.get(name).await;
            policy.is_ok_and(|it| it.spec.suspend)
        }
        Target::Watch(name) => {
            let watches: Api<ImageWatch> = Api::namespaced(kube, namespace);
            let watch = watches.get(name).await;
            watch.is_ok_and(|it| it.spec.suspend)
        }
    }
}

/// Has objects looked at now.
#[tokio::main(flavor = "current_thread")]
pub(in crate::cli) async fn reconcile(args: &ReconcileArgs) -> Result<(), Failure> {
    let annotation = json!({ annotations::REQUESTED_AT: now().to_string() });
    annotate_all(&args.cluster, &args.targets, &annotation, "asked for").await
}

/// Lets policies write again what was taken back in git.
#[tokio::main(flavor = "current_thread")]
pub(in crate::cli) async fn release(args: &ReleaseArgs) -> Result<(), Failure> {
    let annotation = json!({ annotations::RELEASE: now().to_string() });
    let cluster = connect(&args.cluster).await?;
    let mut failures = Vec::new();
    for name in &args.policies {
        let held = held(&cluster, name).await;
        match annotate::<ImageUpdatePolicy>(&cluster, name, &annotation).await {
            Ok(()) if held == Some(0) => {
                // What the operator has not seen yet is released, too.
                println(&format!("policy/{name} released; nothing of it was held"))?;
            }
            Ok(()) => println(&format!("policy/{name} released"))?,
            Err(failure) => failures.push(failure.about(format!("policy/{name}"))),
        }
    }
    ended(failures, args.policies.len())
}

/// Pins images of a policy, or lets them go.
#[tokio::main(flavor = "current_thread")]
pub(in crate::cli) async fn pin(args: &PinArgs) -> Result<(), Failure> {
    let cluster = connect(&args.cluster).await?;
    let api: Api<ImageUpdatePolicy> = Api::namespaced(cluster.kube.clone(), &cluster.namespace);
    let policy = api.get(&args.policy).await;
    let policy = policy.map_err(|error| cluster.refused(error))?;
    let now = annotations::annotation(&policy.metadata, annotations::PINS).unwrap_or("{}");
    let mut pins: BTreeMap<String, String> = serde_json::from_str(now).map_err(|_| {
        Failure::failed(PinError::Annotation(args.policy.clone()))
            .hint("mend it, or remove it with kubectl annotate")
    })?;
    for Pin { alias, tag } in &args.pins {
        let known: Vec<&str> = policy
            .spec
            .images
            .iter()
            .map(|it| it.alias.as_str())
            .collect();
        match tag {
            Some(_) if !known.contains(&alias.as_str()) => {
                let error = PinError::UnknownAlias {
                    policy: args.policy.clone(),
                    alias: alias.clone(),
                    known: known.join(", "),
                };
                return Err(Failure::input(error).hint("name one of these"));
            }
            Some(tag) => {
                warn_of_refusal(&policy, alias, tag);
                pins.insert(alias.clone(), tag.to_string());
            }
            None => drop(pins.remove(alias)),
        }
    }
    let value = if pins.is_empty() {
        Value::Null
    } else {
        json!(json!(pins).to_string())
    };
    let annotation = json!({ annotations::PINS: value });
    annotate::<ImageUpdatePolicy>(&cluster, &args.policy, &annotation).await?;
    let shown = pins.iter().map(|(alias, tag)| format!("{alias}={tag}"));
    let shown: Vec<String> = shown.collect();
    let shown = if shown.is_empty() {
        "nothing".to_owned()
    } else {
        shown.join(", ")
    };
    println(&format!("policy/{} pins {shown}", args.policy))
}

/// A pin goes before the policy's rules; whoever pins by mistake what they refuse is told.
fn warn_of_refusal(policy: &ImageUpdatePolicy, alias: &str, tag: &Tag) {
    let Ok(model) = validate::image_update_policy(&policy.spec) else {
        return;
    };
    let Some(image) = model.images.into_iter().find(|it| it.alias == alias) else {
        return;
    };
    let mut rules = image.policy;
    rules.pin = None;
    if rules.strategy.name().needs_build_time() {
        // When it was built is not known here, and refuses nothing.
        rules.strategy = Strategy::Alphabetical(Order::Ascending);
    }
    let decision = select(&rules, None, &[Candidate::new(tag.clone())]);
    if let Some(Rejection { rule, .. }) = decision.rejected.first() {
        warn(&format!(
            "the rules of {alias} refuse {tag}: {rule}; pinned, it is written all the same"
        ));
    }
}

/// How many of a policy's images and Applications are held, if that can be told.
async fn held(cluster: &Cluster, policy: &str) -> Option<usize> {
    let api: Api<ImageUpdatePolicy> = Api::namespaced(cluster.kube.clone(), &cluster.namespace);
    let status = api.get_opt(policy).await.ok()??.status.unwrap_or_default();
    let images = status.images.iter().map(|it| it.state);
    let all = images.chain(status.attention.iter().map(|it| it.state));
    Some(all.filter(|it| *it == ImageState::Held).count())
}

async fn annotate_all(
    flags: &ClusterFlags,
    targets: &[Target],
    annotation: &Value,
    done: &str,
) -> Result<(), Failure> {
    let cluster = connect(flags).await?;
    let mut failures = Vec::new();
    for target in targets {
        let annotated = match target {
            Target::Policy(name) => annotate::<ImageUpdatePolicy>(&cluster, name, annotation).await,
            Target::Watch(name) => annotate::<ImageWatch>(&cluster, name, annotation).await,
        };
        match annotated {
            Ok(()) => println(&format!("{target} {done}"))?,
            Err(failure) => failures.push(failure.about(target)),
        }
    }
    ended(failures, targets.len())
}

/// What could not be done to some of the objects keeps it from none of the others.
fn ended(mut failures: Vec<Failure>, all: usize) -> Result<(), Failure> {
    let count = failures.len();
    match failures.pop() {
        None => Ok(()),
        Some(only) if all == 1 => Err(only),
        Some(last) => {
            for failure in failures {
                failure.report();
            }
            last.report();
            let error = anyhow::anyhow!("{count} of {all} objects: not done");
            Err(Failure::failed(error))
        }
    }
}

async fn annotate<K>(cluster: &Cluster, name: &str, annotation: &Value) -> Result<(), Failure>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + DeserializeOwned,
    K: std::fmt::Debug,
{
    let api: Api<K> = Api::namespaced(cluster.kube.clone(), &cluster.namespace);
    let patch = Patch::Merge(json!({"metadata": {"annotations": annotation}}));
    let parameters = PatchParams {
        // A name of its own: what people asked for is not what the operator did.
        field_manager: Some("image-update-operator-cli".to_owned()),
        ..PatchParams::default()
    };
    let patched = api.patch_metadata(name, &parameters, &patch).await;
    patched.map(drop).map_err(|error| cluster.refused(error))
}

fn println(line: &str) -> Result<(), Failure> {
    crate::cli::output::write(format!("{line}\n").as_bytes())
}
