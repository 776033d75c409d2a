//! `explain policy`: what the operator would decide about a policy of the cluster now, and which rule
//! every other tag failed. Registries and targets are looked at anew; nothing is written.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use image_update_core::legacy::CommitSettings;
use kube::ResourceExt as _;
use kube::api::Api;
use serde::Serialize;

use super::list::list;
use super::{Cluster, ClusterFlags, connect};
use crate::api::v1alpha1::{
    ImageState, ImageStatus, ImageUpdatePolicy, ImageWatch, Reason, annotations,
};
use crate::argocd::application::Application;
use crate::cli::failure::{self, Failure};
use crate::cli::logins::LoginFlags;
use crate::cli::output::{OutputFlag, columns};
use crate::cli::progress::Progress;
use crate::cli::selection::Outcome;
use crate::controller::once::{self, Decided, Finding, Objects, Options, Seen};
use crate::write_back::journal::Mode;

/// Flags of `explain policy`.
#[derive(Args, Debug)]
pub(in crate::cli) struct ExplainPolicyArgs {
    /// The policy
    #[arg(value_name = "NAMESPACE/NAME|NAME")]
    policy: String,

    /// Only this image, by its alias
    #[arg(long, value_name = "ALIAS")]
    image: Option<String>,

    #[command(flatten)]
    cluster: ClusterFlags,

    #[command(flatten)]
    logins: LoginFlags,

    #[command(flatten)]
    output: OutputFlag,
}

/// What is printed.
#[derive(Serialize)]
struct Explained {
    namespace: String,
    name: String,
    suspended: bool,
    images: Vec<Image>,
}

/// An image in the places where the same was decided about it.
#[derive(Serialize)]
struct Image {
    alias: String,
    /// Remotes and Applications.
    places: Vec<String>,
    current: Option<String>,
    /// What was decided; nothing where it did not come to that.
    #[serde(flatten)]
    outcome: Option<Outcome>,
    /// Tags that a look at their images holds back.
    withheld: Vec<Withheld>,
    /// Where the image stands in all places together.
    status: Option<Status>,
}

/// As the policy's status has it.
#[derive(Clone, Serialize)]
struct Status {
    state: ImageState,
    reason: Reason,
    message: String,
}

#[derive(Serialize, PartialEq, Eq)]
struct Withheld {
    tag: String,
    why: String,
}

/// Looks at the policy, and prints what was decided.
#[tokio::main]
pub(in crate::cli) async fn explain_policy(args: &ExplainPolicyArgs) -> Result<(), Failure> {
    let cluster = connect(&args.cluster).await?;
    let (namespace, name) = match args.policy.split_once('/') {
        Some((namespace, name)) => (namespace.to_owned(), name.to_owned()),
        None => (cluster.namespace.clone(), args.policy.clone()),
    };
    let objects = read(&cluster, &namespace, &name).await?;
    let policy = objects.policies.iter().find(|it| it.name_any() == name);
    check_alias(policy, args.image.as_deref())?;
    let suspended =
        policy.is_some_and(|it| annotations::is_suspended(&it.metadata, it.spec.suspend));
    let seen = Arc::new(Seen::default());
    let progress = {
        let seen = Arc::clone(&seen);
        let message = format!("looking at policy {namespace}/{name}");
        Progress::counting(message, move || seen.to_string())
    };
    let options = Options {
        mode: Mode::Rehearse,
        registries: args.logins.registries()?,
        argocd_namespace: args.logins.argocd_namespace(),
        argocd_credentials: args.logins.argocd_credentials(),
        // Policies are as the cluster has them.
        commit: CommitSettings::default(),
        cache_dir: None,
        logins: args.logins.logins()?,
        only: Some((namespace, name)),
        seen,
    };
    let looked = once::look(objects, once::Cluster::Api(cluster.kube), options).await;
    drop(progress);
    let mut findings = looked.context("nothing can be kept of images")?;
    let finding = findings.policies.pop().context("the policy is gone")?;
    let explained = Explained {
        suspended,
        images: images(&finding, args.image.as_deref()),
        namespace: finding.namespace.clone(),
        name: finding.name.clone(),
    };
    args.output.print(&explained, table)?;
    told(&finding)
}

/// What the policy may refer to, as far as its namespace has it, and watches of others that it names.
async fn read(cluster: &Cluster, namespace: &str, name: &str) -> Result<Objects, Failure> {
    let kube = &cluster.kube;
    let policies: Vec<ImageUpdatePolicy> =
        list(cluster, Api::namespaced(kube.clone(), namespace)).await?;
    let policy = policies.iter().find(|it| it.name_any() == name);
    let policy = policy.ok_or_else(|| {
        Failure::failed(anyhow!("there is no policy {namespace}/{name}"))
            .hint("image-update-operator get -A lists those that there are")
    })?;
    let mut watches: Vec<ImageWatch> =
        list(cluster, Api::namespaced(kube.clone(), namespace)).await?;
    for (other, name) in policy.watches().filter(|(other, _)| *other != namespace) {
        let api: Api<ImageWatch> = Api::namespaced(kube.clone(), other);
        let watch = api.get_opt(name).await;
        watches.extend(watch.map_err(|error| cluster.refused(error))?);
    }
    let selectors = &policy.spec.applications;
    let applications: Vec<Application> = if selectors.is_empty() {
        Vec::new()
    } else if selectors.iter().any(|it| it.namespace.is_some()) {
        list(cluster, Api::all(kube.clone())).await?
    } else {
        list(cluster, Api::namespaced(kube.clone(), namespace)).await?
    };
    Ok(Objects {
        applications: applications.into_iter().map(without_annotations).collect(),
        watches,
        policies,
    })
}

/// The policy is in the cluster already, be it made from annotations.
fn without_annotations(mut application: Application) -> Application {
    application.metadata.annotations = None;
    application
}

fn check_alias(policy: Option<&ImageUpdatePolicy>, alias: Option<&str>) -> Result<(), Failure> {
    let images = policy.iter().flat_map(|policy| &policy.spec.images);
    let known: Vec<&str> = images.map(|image| image.alias.as_str()).collect();
    match alias {
        Some(alias) if !known.contains(&alias) => {
            let error = anyhow!(
                "the policy has no image {alias}; it has {}",
                known.join(", ")
            );
            Err(Failure::input(error).hint("name one of them with --image"))
        }
        Some(_) | None => Ok(()),
    }
}

fn images(finding: &Finding, only: Option<&str>) -> Vec<Image> {
    let is_meant = |alias: &str| only.is_none_or(|only| only == alias);
    let meant = finding.status.images.iter();
    let meant = meant.filter(|image| is_meant(&image.alias));
    meant.flat_map(|image| places(finding, image)).collect()
}

/// An image in all its places; without one, where nothing was decided.
fn places(finding: &Finding, image: &ImageStatus) -> Vec<Image> {
    let decisions = finding.decisions.iter();
    let mut images = decided(decisions.filter(|it| it.alias == image.alias));
    if images.is_empty() {
        images.push(Image {
            alias: image.alias.clone(),
            places: Vec::new(),
            current: image.current.clone(),
            outcome: None,
            withheld: Vec::new(),
            status: None,
        });
    }
    for place in &mut images {
        place.status = Some(Status {
            state: image.state,
            reason: image.reason,
            message: image.message.clone(),
        });
    }
    images
}

/// Decisions, those that are the same in several places once.
fn decided<'a>(decisions: impl Iterator<Item = &'a Decided>) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for decided in decisions {
        let place = match &decided.application {
            Some(application) if *application != decided.place => {
                format!("{} ({application})", decided.place)
            }
            Some(_) | None => decided.place.clone(),
        };
        let outcome = Some(Outcome::of(&decided.decision));
        let withheld = decided.withheld.iter();
        let withheld: Vec<Withheld> = withheld
            .map(|(tag, why)| Withheld {
                tag: tag.clone(),
                why: why.clone(),
            })
            .collect();
        let same = images.iter_mut().find(|image| {
            image.alias == decided.alias
                && image.current == decided.current
                && image.outcome == outcome
                && image.withheld == withheld
        });
        match same {
            Some(image) => image.places.push(place),
            None => images.push(Image {
                alias: decided.alias.clone(),
                places: vec![place],
                current: decided.current.clone(),
                outcome,
                withheld,
                status: None,
            }),
        }
    }
    images
}

fn table(explained: &Explained) -> String {
    let suspended = explained.suspended.then(|| {
        let name = format!("{}/{}", explained.namespace, explained.name);
        let what = "yes; nothing is written until it is resumed";
        columns(&[["policy", name.as_str()], ["suspended", what]])
    });
    let images = explained.images.iter().map(part);
    let parts: Vec<String> = suspended.into_iter().chain(images).collect();
    parts.join("\n")
}

fn part(image: &Image) -> String {
    let mut rows = vec![["image", image.alias.as_str()]];
    rows.extend(image.places.iter().map(|place| ["place", place.as_str()]));
    rows.push(["current", image.current.as_deref().unwrap_or("none")]);
    // Of what is well the decision says it.
    let status = image.status.as_ref();
    let status = status.filter(|it| it.state != ImageState::UpToDate);
    let status = status.map(|status| {
        let (state, reason) = (status.state.as_str(), status.reason.as_str());
        format!("{state}, {reason}: {}", status.message)
    });
    rows.extend(status.iter().map(|status| ["status", status.as_str()]));
    rows.extend(image.outcome.iter().flat_map(Outcome::facts));
    let withheld = image.withheld.iter();
    let withheld: Vec<String> = withheld
        .map(|it| format!("{} {}", it.tag, it.why))
        .collect();
    rows.extend(withheld.iter().map(|it| ["withheld", it.as_str()]));
    let rejected = image.outcome.as_ref().map(Outcome::rejected_table);
    columns(&rows) + &rejected.unwrap_or_default()
}

/// Tells what went wrong; an error if something did.
fn told(finding: &Finding) -> Result<(), Failure> {
    let Some((first, others)) = finding.errors.split_first() else {
        return Ok(());
    };
    for error in others {
        failure::tell("error", error);
    }
    Err(Failure::failed(anyhow!("{first}")))
}
