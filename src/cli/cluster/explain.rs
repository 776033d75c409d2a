//! `explain policy`: what the operator would decide about a policy of the cluster now, and which rule
//! every other tag failed. Registries and targets are looked at anew; nothing is written.

use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use clap::Args;
use kube::ResourceExt as _;
use kube::api::Api;
use serde::Serialize;

use super::list::list;
use super::{Cluster, ClusterFlags, connect};
use crate::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
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
    images: Vec<Image>,
}

/// An image in the places where the same was decided about it.
#[derive(Serialize)]
struct Image {
    alias: String,
    /// Remotes and Applications.
    places: Vec<String>,
    current: Option<String>,
    #[serde(flatten)]
    outcome: Outcome,
    /// Tags that a look at their images holds back.
    withheld: Vec<Withheld>,
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
        images: images(&finding.decisions, args.image.as_deref()),
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

fn images(decisions: &[Decided], alias: Option<&str>) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    for decided in decisions {
        if alias.is_some_and(|alias| *decided.alias != *alias) {
            continue;
        }
        let place = match &decided.application {
            Some(application) if *application != decided.place => {
                format!("{} ({application})", decided.place)
            }
            Some(_) | None => decided.place.clone(),
        };
        let outcome = Outcome::of(&decided.decision);
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
            }),
        }
    }
    images
}

fn table(explained: &Explained) -> String {
    let parts: Vec<String> = explained.images.iter().map(part).collect();
    parts.join("\n")
}

fn part(image: &Image) -> String {
    let mut rows = vec![["image", image.alias.as_str()]];
    rows.extend(image.places.iter().map(|place| ["place", place.as_str()]));
    rows.push(["current", image.current.as_deref().unwrap_or("none")]);
    rows.extend(image.outcome.facts());
    let withheld = image.withheld.iter();
    let withheld: Vec<String> = withheld
        .map(|it| format!("{} {}", it.tag, it.why))
        .collect();
    rows.extend(withheld.iter().map(|it| ["withheld", it.as_str()]));
    columns(&rows) + &image.outcome.rejected_table()
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
