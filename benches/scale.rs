//! Thousands of watches at once: how long until everything is selected after a start, and what the
//! operator then costs.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use image_update_operator::api::v1alpha1::{ImageState, ImageUpdatePolicy, ImageWatch};
use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::faulty_registry::FaultyRegistry;
use image_update_testkit::git_server::GitServer;
use image_update_testkit::process::{Child, Launch};
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

const WATCHES: usize = 5_000;
const TAGS: usize = 400;
/// Images of one policy; a policy has 64 at most.
const IMAGES: usize = 50;
const POLICIES: usize = WATCHES / IMAGES;

/// Requests to the API server at once while the objects are made.
const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_mins(5);
/// How long the operator is watched at rest: each watch is scanned once.
const REST: Duration = Duration::from_mins(5);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = ApiServer::start().await?;
    server
        .install_crds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crds"))
        .await?;
    let kube = server.client().await?;
    let namespace = server.namespace("scale").await?;
    let registry = registry().await?;
    let git = git().await?;
    create(&kube, &namespace, &registry, &git).await?;

    let started = Instant::now();
    let operator = Launch::new(
        "operator",
        PathBuf::from(env!("CARGO_BIN_EXE_image-update-operator")),
    )?
    .args(["run", "--metrics-address=0"])
    .env("KUBECONFIG", server.kubeconfig().display().to_string())
    .spawn()?;
    wait_until_selected(&kube, &namespace, &operator).await?;
    let selected = started.elapsed();
    let requests = registry.request_count();

    // What follows a start (statuses, the pushes) is over by then.
    tokio::time::sleep(Duration::from_secs(30)).await;
    let before = operator.processor_time()?;
    tokio::time::sleep(REST).await;
    let spent = operator.processor_time()?.saturating_sub(before);
    let idle = spent.as_secs_f64() / REST.as_secs_f64() * 100.0;
    let (resident, peak) = operator.resident_mib()?;

    println!("| {WATCHES} watches of {TAGS} tags, {POLICIES} policies | measured | target |");
    println!("|---|---|---|");
    println!(
        "| from the start until everything is selected | {:.1} s | 60 s |",
        selected.as_secs_f64()
    );
    println!("| requests to the registry until then | {requests} | {WATCHES} |");
    println!("| resident at rest | {resident:.0} MiB | 200 MiB |");
    println!("| resident at most | {peak:.0} MiB | |");
    println!("| of one core at rest, scanning every 5 minutes | {idle:.1} % | 2 % |");
    Ok(())
}

/// A registry with a realistic mix of tags in each repository.
async fn registry() -> anyhow::Result<FaultyRegistry> {
    let registry = FaultyRegistry::start().await?;
    for index in 0..WATCHES {
        let tags = (0..TAGS).map(|tag| match tag % 4 {
            0 => format!("1.{}.{}", tag / 40, tag % 40),
            1 => format!("v1.{}.{}-rc.{}", tag / 40, tag % 40, index % 10),
            2 => format!("main-{:08x}-{}", tag * 7919 + index, 1_700_000_000 + tag),
            _ => format!("sha-{:040x}", tag * 104_729 + index),
        });
        registry.set_tags(&repository(index), tags);
    }
    Ok(registry)
}

fn repository(index: usize) -> String {
    format!("org/app-{index:04}")
}

async fn git() -> anyhow::Result<GitServer> {
    let git = GitServer::builder().tls().start().await?;
    let files: Vec<(String, Vec<u8>)> = (0..POLICIES)
        .map(|policy| {
            let path = format!("apps/{policy:03}/kustomization.yaml");
            (path, b"resources:\n- ../../base\n".to_vec())
        })
        .collect();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(path, content)| (path.as_str(), content.as_slice()))
        .collect();
    git.create_repository("env", &files)?;
    Ok(git)
}

async fn create(
    kube: &Client,
    namespace: &str,
    registry: &FaultyRegistry,
    git: &GitServer,
) -> anyhow::Result<()> {
    let ca = git.ca_pem().context("the git server has TLS")?;
    let secret = json!({"metadata": {"name": "git"}, "stringData": {"ca.crt": ca}});
    Api::<k8s_openapi::api::core::v1::Secret>::namespaced(kube.clone(), namespace)
        .create(&PostParams::default(), &serde_json::from_value(secret)?)
        .await?;
    let watches: Api<ImageWatch> = Api::namespaced(kube.clone(), namespace);
    stream::iter(0..WATCHES)
        .map(|index| {
            let watch = json!({
                "apiVersion": "image-update.dev/v1alpha1", "kind": "ImageWatch",
                "metadata": {"name": format!("app-{index:04}")},
                "spec": {
                    "image": format!("{}/{}", registry.host(), repository(index)),
                    "interval": "5m", "insecure": true,
                },
            });
            let watches = watches.clone();
            async move {
                let watch = serde_json::from_value(watch)?;
                watches.create(&PostParams::default(), &watch).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .context("create the watches")?;
    let policies: Api<ImageUpdatePolicy> = Api::namespaced(kube.clone(), namespace);
    for policy in 0..POLICIES {
        let images: Vec<_> = (policy * IMAGES..(policy + 1) * IMAGES)
            .map(|index| {
                json!({
                    "alias": format!("app-{index:04}"),
                    "watchRef": {"name": format!("app-{index:04}")},
                    "strategy": {"semver": {"constraint": ">=1.0.0"}},
                })
            })
            .collect();
        let policy = json!({
            "apiVersion": "image-update.dev/v1alpha1", "kind": "ImageUpdatePolicy",
            "metadata": {"name": format!("policy-{policy:03}")},
            "spec": {
                "images": images,
                "writeBack": {"git": {
                    "repository": git.url("env"), "branch": "main",
                    "credentials": {"secretRef": {"name": "git"}},
                    "targets": [{"kustomization": {"path": format!("apps/{policy:03}")}}],
                }},
            },
        });
        policies
            .create(&PostParams::default(), &serde_json::from_value(policy)?)
            .await
            .context("create the policies")?;
    }
    Ok(())
}

/// Waits until every image of every policy is written.
async fn wait_until_selected(
    kube: &Client,
    namespace: &str,
    operator: &Child,
) -> anyhow::Result<()> {
    let policies: Api<ImageUpdatePolicy> = Api::namespaced(kube.clone(), namespace);
    let started = Instant::now();
    loop {
        let all = policies.list(&ListParams::default()).await?;
        let images = all.items.iter().flat_map(|policy| &policy.status);
        let images = images.flat_map(|status| &status.images);
        let is_done = |state| matches!(state, ImageState::UpToDate);
        let count = images.filter(|image| is_done(image.state)).count();
        if count == WATCHES {
            return Ok(());
        }
        if started.elapsed() > PATIENCE {
            println!("{}", operator.log_tail());
            anyhow::bail!("{count} of {WATCHES} images are selected");
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
