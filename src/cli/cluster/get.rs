//! `get`: what `kubectl get` shows of both kinds, and for each image that is not up to date, why.

use clap::Args;
use kube::ResourceExt as _;
use kube::api::{Api, ListParams};
use serde::Serialize;

use super::{ClusterFlags, connect, refused};
use crate::api::v1alpha1::{ImageState, ImageUpdatePolicy, ImageWatch, annotations};
use crate::cli::failure::Failure;
use crate::cli::output::{OutputFlag, columns};

/// Flags of `get`.
#[derive(Args, Debug)]
pub(in crate::cli) struct GetArgs {
    /// Only these policies
    #[arg(value_name = "NAME")]
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
struct Policy {
    namespace: String,
    name: String,
    /// `True`, `False` or `Unknown`, as the condition has it.
    ready: String,
    reason: String,
    message: String,
    suspended: bool,
    images: Vec<Image>,
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
struct Watch {
    namespace: String,
    name: String,
    image: String,
    ready: String,
    latest: Option<String>,
    message: String,
}

/// Lists policies.
#[tokio::main(flavor = "current_thread")]
pub(in crate::cli) async fn get(args: &GetArgs) -> Result<(), Failure> {
    let (kube, namespace) = connect(&args.cluster).await?;
    let (policies, watches): (Api<ImageUpdatePolicy>, Api<ImageWatch>) = if args.all_namespaces {
        (Api::all(kube.clone()), Api::all(kube))
    } else {
        let namespaced = Api::namespaced(kube.clone(), &namespace);
        (namespaced, Api::namespaced(kube, &namespace))
    };
    let everything = ListParams::default();
    let found = policies.list(&everything).await.map_err(refused)?.items;
    if let Some(missing) = args.names.iter().find(|name| {
        let is_it = |policy: &ImageUpdatePolicy| policy.name_any() == **name;
        !found.iter().any(is_it)
    }) {
        let error = anyhow::anyhow!("there is no policy {missing}");
        return Err(Failure::failed(error).hint("-A looks into all namespaces"));
    }
    let is_meant = |policy: &&ImageUpdatePolicy| {
        args.names.is_empty() || args.names.contains(&policy.name_any())
    };
    let policies = found.iter().filter(is_meant).map(policy).collect();
    let watches = if args.watches {
        let found = watches.list(&everything).await.map_err(refused)?;
        found.items.iter().map(watch).collect()
    } else {
        Vec::new()
    };
    let listing = Listing { policies, watches };
    args.output.print(&listing, table)
}

fn policy(policy: &ImageUpdatePolicy) -> Policy {
    let status = policy.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().find(|it| it.type_ == "Ready");
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
        latest: status.latest_tags.first().cloned(),
        message: ready.map(|it| it.message.clone()).unwrap_or_default(),
    }
}

fn table(listing: &Listing) -> String {
    if listing.policies.is_empty() && listing.watches.is_empty() {
        return "nothing found; -A looks into all namespaces\n".to_owned();
    }
    let mut rows = vec![[
        "NAMESPACE",
        "NAME",
        "READY",
        "CURRENT",
        "SELECTED",
        "STATUS",
    ]];
    for policy in &listing.policies {
        let (namespace, name) = (policy.namespace.as_str(), policy.name.as_str());
        let message = first_line(&policy.message);
        rows.push([namespace, name, &policy.ready, "", "", message]);
        for image in &policy.images {
            let is_fine = image.state == ImageState::UpToDate;
            let why = if is_fine {
                ""
            } else {
                first_line(&image.message)
            };
            let current = image.current.as_deref().unwrap_or("-");
            let selected = image.selected.as_deref().unwrap_or("-");
            rows.push([
                "",
                &image.alias,
                image.state.as_str(),
                current,
                selected,
                why,
            ]);
        }
    }
    for watch in &listing.watches {
        let latest = watch.latest.as_deref().unwrap_or("-");
        let message = first_line(&watch.message);
        let (namespace, name) = (watch.namespace.as_str(), watch.name.as_str());
        rows.push([namespace, name, &watch.ready, "", latest, message]);
    }
    columns(&rows)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
