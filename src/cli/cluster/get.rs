//! `get`: what `kubectl get` shows of both kinds, and for each image and Application that is not up to
//! date, why.

use clap::Args;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use kube::api::Api;
use serde::Serialize;

use super::age::age;
use super::list::list;
use super::{Cluster, ClusterFlags, connect, policy_name};
use crate::api::v1alpha1::{
    ApplicationCounts, Attention, ImageState, ImageUpdatePolicy, ImageWatch, annotations,
};
use crate::cli::clock::now;
use crate::cli::failure::Failure;
use crate::cli::output::{OutputFlag, columns};

/// Flags of `get`.
#[derive(Args, Debug)]
pub(in crate::cli) struct GetArgs {
    /// Only these policies
    #[arg(value_name = "NAME", value_parser = policy_name)]
    names: Vec<String>,

    /// In all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,

    /// The watches, too
    #[arg(long)]
    watches: bool,

    #[command(flatten)]
    cluster: ClusterFlags,

    #[command(flatten)]
    output: OutputFlag,
}

/// What is printed.
#[derive(Serialize)]
struct Listing {
    policies: Vec<Policy>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    watches: Vec<Watch>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    namespace: String,
    name: String,
    /// `True`, `False` or `Unknown`, as the condition has it.
    ready: String,
    reason: String,
    message: String,
    suspended: bool,
    images: Vec<Image>,
    /// How many images are as they should be, of how many.
    #[serde(skip)]
    up_to_date_images: String,
    /// The same of Applications.
    #[serde(skip)]
    up_to_date_applications: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    applications: Option<ApplicationCounts>,
    /// The Applications that are not up to date.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attention: Vec<Attention>,
    last_write: Option<Time>,
    created: Option<Time>,
}

#[derive(Serialize)]
struct Image {
    alias: String,
    state: ImageState,
    current: Option<String>,
    selected: Option<String>,
    reason: String,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Watch {
    namespace: String,
    name: String,
    image: String,
    ready: String,
    reason: String,
    message: String,
    latest: Option<String>,
    tags: Option<u32>,
    last_scan: Option<Time>,
    created: Option<Time>,
}

/// Some names are those of no policy.
#[derive(Debug, thiserror::Error)]
#[error("there is no policy {} in {}", .names.join(", "), .namespace.as_deref().unwrap_or("any namespace"))]
struct Missing {
    names: Vec<String>,
    namespace: Option<String>,
}

/// Lists policies.
#[tokio::main(flavor = "current_thread")]
pub(in crate::cli) async fn get(args: &GetArgs) -> Result<(), Failure> {
    let cluster = connect(&args.cluster).await?;
    let (kube, namespace) = (cluster.kube.clone(), cluster.namespace.clone());
    let (policies, watches): (Api<ImageUpdatePolicy>, Api<ImageWatch>) = if args.all_namespaces {
        (Api::all(kube.clone()), Api::all(kube))
    } else {
        let namespaced = Api::namespaced(kube.clone(), &namespace);
        (namespaced, Api::namespaced(kube, &namespace))
    };
    let found = find(args, &cluster, policies).await?;
    let is_there = |name: &&String| found.iter().any(|policy| policy.name_any() == **name);
    let names = args.names.iter();
    let missing: Vec<String> = names.filter(|name| !is_there(name)).cloned().collect();
    if !missing.is_empty() {
        let hint = if args.all_namespaces {
            "get -A lists those that there are"
        } else {
            "-A looks into all namespaces"
        };
        let missing = Missing {
            names: missing,
            namespace: (!args.all_namespaces).then_some(namespace),
        };
        return Err(Failure::failed(missing).hint(hint));
    }
    let watches = if args.watches {
        list(&cluster, watches).await?
    } else {
        Vec::new()
    };
    let listing = Listing {
        policies: found.iter().map(policy).collect(),
        watches: watches.iter().map(watch).collect(),
    };
    args.output.print(&listing, |listing| table(listing, now()))
}

/// Those that are named, or all.
async fn find(
    args: &GetArgs,
    cluster: &Cluster,
    policies: Api<ImageUpdatePolicy>,
) -> Result<Vec<ImageUpdatePolicy>, Failure> {
    if args.all_namespaces || args.names.is_empty() {
        let mut found = list(cluster, policies).await?;
        found.retain(|it| args.names.is_empty() || args.names.contains(&it.name_any()));
        return Ok(found);
    }
    let mut found = Vec::new();
    for name in &args.names {
        let policy = policies.get_opt(name).await;
        found.extend(policy.map_err(|error| cluster.refused(error))?);
    }
    Ok(found)
}

fn policy(policy: &ImageUpdatePolicy) -> Policy {
    let status = policy.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|it| it.type_ == "Ready");
    let summary = status.summary.as_ref();
    let images = status.images.into_iter().map(|image| Image {
        alias: image.alias,
        state: image.state,
        current: image.current,
        selected: image.selected,
        reason: image.reason.as_str().to_owned(),
        message: image.message,
    });
    Policy {
        namespace: policy.namespace().unwrap_or_default(),
        name: policy.name_any(),
        ready: ready.map_or("Unknown", |it| &it.status).to_owned(),
        reason: ready.map(|it| it.reason.clone()).unwrap_or_default(),
        message: ready.map(|it| it.message.clone()).unwrap_or_default(),
        suspended: annotations::is_suspended(&policy.metadata, policy.spec.suspend),
        images: images.collect(),
        up_to_date_images: or_dash(summary.map(|it| it.images.as_str())),
        up_to_date_applications: or_dash(summary.map(|it| it.applications.as_str())),
        applications: status.applications,
        attention: status.attention,
        last_write: status.last_write.map(|it| it.time),
        created: policy.creation_timestamp(),
    }
}

fn watch(watch: &ImageWatch) -> Watch {
    let status = watch.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|it| it.type_ == "Ready");
    Watch {
        namespace: watch.namespace().unwrap_or_default(),
        name: watch.name_any(),
        image: watch.spec.image.clone(),
        ready: ready.map_or("Unknown", |it| &it.status).to_owned(),
        reason: ready.map(|it| it.reason.clone()).unwrap_or_default(),
        message: ready.map(|it| it.message.clone()).unwrap_or_default(),
        latest: status.latest_tags.first().cloned(),
        tags: status.last_scan.as_ref().map(|it| it.tags),
        last_scan: status.last_scan.map(|it| it.time),
        created: watch.creation_timestamp(),
    }
}

fn table(listing: &Listing, now: Timestamp) -> String {
    if listing.policies.is_empty() && listing.watches.is_empty() {
        return "nothing found; -A looks into all namespaces\n".to_owned();
    }
    let mut tables = Vec::new();
    if !listing.policies.is_empty() {
        tables.push(policies(&listing.policies, now));
    }
    if !listing.watches.is_empty() {
        tables.push(watches(&listing.watches, now));
    }
    tables.join("\n")
}

/// Each policy, then its images, then its Applications that are not up to date.
fn policies(policies: &[Policy], now: Timestamp) -> String {
    let mut rows = vec![
        [
            "NAMESPACE",
            "NAME",
            "READY",
            "IMAGES",
            "APPS",
            "CURRENT",
            "SELECTED",
            "WRITTEN",
            "AGE",
            "STATUS",
        ]
        .map(str::to_owned),
    ];
    let cell = str::to_owned;
    for policy in policies {
        rows.push([
            policy.namespace.clone(),
            policy.name.clone(),
            policy.ready.clone(),
            policy.up_to_date_images.clone(),
            policy.up_to_date_applications.clone(),
            String::new(),
            String::new(),
            age(policy.last_write.as_ref(), now),
            age(policy.created.as_ref(), now),
            cell(first_line(&policy.message)),
        ]);
        let images = policy.images.iter().map(|image| {
            let why = if image.state == ImageState::UpToDate {
                ""
            } else {
                first_line(&image.message)
            };
            let current = or_dash(image.current.as_deref());
            let selected = or_dash(image.selected.as_deref());
            below(&image.alias, image.state, [current, selected], why)
        });
        rows.extend(images);
        let applications = policy.attention.iter().map(|it| {
            let name = match &it.alias {
                Some(alias) => format!("{} {alias}", it.application),
                None => it.application.clone(),
            };
            let selected = or_dash(it.tag.as_deref());
            below(
                &name,
                it.state,
                [String::new(), selected],
                first_line(&it.message),
            )
        });
        rows.extend(applications);
    }
    text(&rows)
}

/// The row of something that belongs to the policy above it.
fn below(name: &str, state: ImageState, tags: [String; 2], why: &str) -> [String; 10] {
    let [current, selected] = tags;
    let nothing = String::new;
    [
        nothing(),
        name.to_owned(),
        state.as_str().to_owned(),
        nothing(),
        nothing(),
        current,
        selected,
        nothing(),
        nothing(),
        why.to_owned(),
    ]
}

fn watches(watches: &[Watch], now: Timestamp) -> String {
    let mut rows = vec![
        [
            "NAMESPACE",
            "NAME",
            "IMAGE",
            "LATEST",
            "TAGS",
            "READY",
            "SCANNED",
            "AGE",
            "STATUS",
        ]
        .map(str::to_owned),
    ];
    for watch in watches {
        rows.push([
            watch.namespace.clone(),
            watch.name.clone(),
            watch.image.clone(),
            or_dash(watch.latest.as_deref()),
            or_dash(watch.tags.map(|it| it.to_string()).as_deref()),
            watch.ready.clone(),
            age(watch.last_scan.as_ref(), now),
            age(watch.created.as_ref(), now),
            first_line(&watch.message).to_owned(),
        ]);
    }
    text(&rows)
}

fn text<const N: usize>(rows: &[[String; N]]) -> String {
    let rows: Vec<[&str; N]> = rows
        .iter()
        .map(|row| std::array::from_fn(|at| row[at].as_str()))
        .collect();
    columns(&rows)
}

/// A dash, where there is nothing yet.
fn or_dash(text: Option<&str>) -> String {
    text.filter(|it| !it.is_empty()).unwrap_or("-").to_owned()
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
