//! Thousands of annotated Applications at once: how long until each has its policy, and what a restart
//! costs when nothing has changed.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use image_update_operator::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
use image_update_operator::argocd::application::Application;
use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::faulty_registry::FaultyRegistry;
use image_update_testkit::process::{Child, Launch};
use image_update_testkit::stack::Assets;
use kube::Client;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

/// Resource versions by name.
type Versions = BTreeMap<String, Option<String>>;

const APPLICATIONS: usize = 10_000;
const IMAGES: usize = 200;

/// Requests to the API server at once while the Applications are made.
const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_mins(10);
/// How long the operator is watched after a restart.
const REST: Duration = Duration::from_mins(1);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let server = ApiServer::start().await?;
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    for crds in [own, Assets::locate()?.argocd_crds()?] {
        server.install_crds(&crds).await?;
    }
    let kube = server.client().await?;
    let namespace = server.namespace("annotations").await?;
    let registry = FaultyRegistry::start().await?;
    for index in 0..IMAGES {
        registry.set_tags(&format!("org/app-{index:03}"), ["1.0.0".to_owned()]);
    }
    create(&kube, &namespace, &registry).await?;
    let conf = server.kubeconfig().with_file_name("registries.conf");
    let host = registry.host();
    let text = format!("registries:\n- name: r\n  prefix: {host}\n  api_url: http://{host}\n");
    std::fs::write(&conf, text)?;
    let launch = || -> anyhow::Result<Child> {
        let operator = PathBuf::from(env!("CARGO_BIN_EXE_image-update-operator"));
        let operator = Launch::new("operator", operator)?
            .args(["run".to_owned(), "--metrics-address=0".to_owned()])
            .args([format!("--argocd-namespace={namespace}")])
            .args([format!("--registries-conf-path={}", conf.display())])
            .env("KUBECONFIG", server.kubeconfig().display().to_string())
            .spawn()?;
        Ok(operator)
    };

    let started = Instant::now();
    let mut operator = launch()?;
    let policies: Api<ImageUpdatePolicy> = Api::namespaced(kube.clone(), &namespace);
    let converted = until(&operator, started, async || {
        Ok(versions(&policies).await?.len() == APPLICATIONS)
    })
    .await?;
    let decided = until(&operator, started, async || {
        let all = policies.list(&ListParams::default()).await?;
        let is_known = |policy: &ImageUpdatePolicy| {
            let status = policy.status.as_ref();
            status.is_some_and(|status| !status.images.is_empty())
        };
        Ok(all.items.iter().all(is_known))
    })
    .await?;
    let watches: Api<ImageWatch> = Api::namespaced(kube.clone(), &namespace);
    // What follows from the last decision is over by then.
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (resident, _) = operator.resident_mib()?;
    operator.kill();

    let before = (versions(&policies).await?, versions(&watches).await?);
    let operator = launch()?;
    tokio::time::sleep(REST).await;
    let after = (versions(&policies).await?, versions(&watches).await?);
    let written = changed(&before.0, &after.0) + changed(&before.1, &after.1);
    let (restarted, _) = operator.resident_mib()?;

    println!("| {APPLICATIONS} annotated Applications of {IMAGES} images | measured | target |");
    println!("|---|---|---|");
    println!(
        "| until each has its policy | {:.1} s | 120 s |",
        converted.as_secs_f64()
    );
    println!(
        "| until each is decided | {:.1} s | |",
        decided.as_secs_f64()
    );
    println!("| watches | {} | {IMAGES} |", before.1.len());
    println!("| objects written after a restart | {written} | 0 |");
    println!("| resident after that | {resident:.0} MiB | |");
    println!("| resident after a restart | {restarted:.0} MiB | |");
    Ok(())
}

/// How many of the objects are not as they were.
fn changed(before: &Versions, after: &Versions) -> usize {
    let all = before
        .iter()
        .filter(|(name, version)| after.get(*name) != Some(version));
    all.count() + after.len().saturating_sub(before.len())
}

/// Applications that run none of their images, so that nothing is written to them.
async fn create(kube: &Client, namespace: &str, registry: &FaultyRegistry) -> anyhow::Result<()> {
    let applications: Api<Application> = Api::namespaced(kube.clone(), namespace);
    stream::iter(0..APPLICATIONS)
        .map(|index| {
            let image = format!("{}/org/app-{:03}", registry.host(), index % IMAGES);
            let application = json!({
                "apiVersion": "argoproj.io/v1alpha1", "kind": "Application",
                "metadata": {
                    "name": format!("app-{index:05}"),
                    "annotations": {
                        "argocd-image-updater.argoproj.io/image-list": format!("web={image}:1.x"),
                    },
                },
                "spec": {
                    "project": "default",
                    "destination": {"server": "x", "namespace": "y"},
                    "source": {"repoURL": "https://charts.example", "chart": "web", "targetRevision": "1"},
                },
            });
            let applications: Api<kube::api::DynamicObject> = Api::namespaced_with(
                applications.clone().into_client(),
                namespace,
                &kube::discovery::ApiResource::erase::<Application>(&()),
            );
            async move {
                let application = serde_json::from_value(application)?;
                applications.create(&PostParams::default(), &application).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// The resource version of each object.
async fn versions<K>(objects: &Api<K>) -> anyhow::Result<Versions>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let all = objects.list_metadata(&ListParams::default()).await?;
    let all = all.items.into_iter();
    Ok(all
        .map(|it| {
            let meta = it.metadata;
            (meta.name.unwrap_or_default(), meta.resource_version)
        })
        .collect())
}

/// How long after `started` this was so.
async fn until(
    operator: &Child,
    started: Instant,
    mut is_so: impl AsyncFnMut() -> anyhow::Result<bool>,
) -> anyhow::Result<Duration> {
    while !is_so().await? {
        if started.elapsed() > PATIENCE {
            println!("{}", operator.log_tail());
            anyhow::bail!("it took too long");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(started.elapsed())
}
