//! Thousands of annotated Applications at once: how long until each has its policy, and what a restart
//! costs when nothing has changed.
//!
//! `cargo bench --bench annotations -- 2000` measures another number than 10,000.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{StreamExt as _, TryStreamExt as _, stream};
use image_update_operator::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
use image_update_operator::argocd::application::Application;
use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::faulty_registry::FaultyRegistry;
use image_update_testkit::process::{Child, Launch, free_port};
use image_update_testkit::stack::Assets;
use kube::api::{Api, DynamicObject, ListParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::discovery::ApiResource;
use kube::{Client, Resource};
use serde_json::json;

/// Resource versions by name.
type Versions = BTreeMap<String, Option<String>>;

const IMAGES: usize = 200;

/// Requests to the API server at once while the Applications are made.
const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_mins(10);
/// How long the operator is watched after a restart.
const REST: Duration = Duration::from_mins(1);

/// What a run looks at.
struct World {
    server: ApiServer,
    kube: Client,
    namespace: String,
    registry: FaultyRegistry,
    /// Where the operator serves its metrics.
    metrics: String,
    applications: usize,
}

/// What was measured, and its name.
type Rows = Vec<(&'static str, String)>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` adds a flag of its own.
    let applications = std::env::args().find_map(|argument| argument.parse().ok());
    let server = ApiServer::start().await?;
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    for crds in [own, Assets::locate()?.argocd_crds()?] {
        server.install_crds(&crds).await?;
    }
    let world = World {
        kube: server.client().await?,
        namespace: server.namespace("annotations").await?,
        registry: FaultyRegistry::start().await?,
        metrics: format!("127.0.0.1:{}", free_port()?),
        applications: applications.unwrap_or(10_000),
        server,
    };
    for index in 0..IMAGES {
        let repository = format!("org/app-{index:03}");
        world.registry.set_tags(&repository, ["1.0.0".to_owned()]);
    }
    world.create().await?;
    let mut rows = world.first_start().await?;
    rows.extend(world.restart().await?);

    println!(
        "| {applications} annotated Applications of {IMAGES} images | measured |",
        applications = world.applications
    );
    println!("|---|---|");
    for (what, measured) in rows {
        println!("| {what} | {measured} |");
    }
    Ok(())
}

impl World {
    fn launch(&self) -> anyhow::Result<Child> {
        let conf = self.server.kubeconfig().with_file_name("registries.conf");
        let host = self.registry.host();
        let text = format!("registries:\n- name: r\n  prefix: {host}\n  api_url: http://{host}\n");
        std::fs::write(&conf, text)?;
        let operator = PathBuf::from(env!("CARGO_BIN_EXE_image-update-operator"));
        let operator = Launch::new("operator", operator)?
            .args([
                "run".to_owned(),
                format!("--metrics-address={}", self.metrics),
                format!("--argocd-namespace={}", self.namespace),
                format!("--registries-conf-path={}", conf.display()),
            ])
            .env("KUBECONFIG", self.server.kubeconfig().display().to_string())
            .spawn()?;
        Ok(operator)
    }

    /// Nothing is converted yet.
    async fn first_start(&self) -> anyhow::Result<Rows> {
        let started = Instant::now();
        let servers = self.server.processor_time()?;
        let operator = self.launch()?;
        let policies = self.api::<ImageUpdatePolicy>();
        let converted = until(&operator, started, async || {
            Ok(count(&policies).await? == self.applications)
        })
        .await?;
        let converted_time = operator.processor_time()?;
        let decided = until(&operator, started, async || {
            Ok(decided(&self.metrics).await.unwrap_or_default() == self.applications)
        })
        .await?;
        // What follows from the last decision is over by then.
        tokio::time::sleep(Duration::from_secs(10)).await;
        let decided_time = operator.processor_time()?;
        let servers = self.server.processor_time()?.saturating_sub(servers);
        let (resident, peak) = operator.resident_mib()?;
        let watches = count(&self.api::<ImageWatch>()).await?;
        let requests = writes(&self.kube).await?;
        Ok(vec![
            ("until each has its policy", seconds(converted)),
            ("until each is decided", seconds(decided)),
            (
                "processor time until each has its policy",
                seconds(converted_time),
            ),
            (
                "processor time until each is decided",
                seconds(decided_time),
            ),
            (
                "processor time of the API server and etcd until then",
                seconds(servers),
            ),
            ("watches", watches.to_string()),
            ("requests that write until then", requests.to_string()),
            (
                "resident after that, at most",
                format!("{resident:.0} MiB, {peak:.0} MiB"),
            ),
        ])
    }

    /// Everything is there already.
    async fn restart(&self) -> anyhow::Result<Rows> {
        let before = self.versions().await?;
        let asked = writes(&self.kube).await?;
        let operator = self.launch()?;
        tokio::time::sleep(REST).await;
        let asked = writes(&self.kube).await? - asked;
        let written = changed(&before, &self.versions().await?);
        let (resident, _) = operator.resident_mib()?;
        Ok(vec![
            ("requests that write after a restart", asked.to_string()),
            ("objects written after a restart", written.to_string()),
            (
                "processor time of a restart and a minute",
                seconds(operator.processor_time()?),
            ),
            ("resident after a restart", format!("{resident:.0} MiB")),
        ])
    }

    fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.kube.clone(), &self.namespace)
    }

    /// The resource version of each policy and watch.
    async fn versions(&self) -> anyhow::Result<Versions> {
        let mut versions = versions("policy", &self.api::<ImageUpdatePolicy>()).await?;
        versions.extend(self::versions("watch", &self.api::<ImageWatch>()).await?);
        Ok(versions)
    }

    /// Makes Applications that run none of their images, so that nothing is written to them.
    async fn create(&self) -> anyhow::Result<()> {
        let resource = ApiResource::erase::<Application>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.kube.clone(), &self.namespace, &resource);
        stream::iter(0..self.applications)
            .map(|index| {
                let image = format!("{}/org/app-{:03}", self.registry.host(), index % IMAGES);
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
                        "source": {
                            "repoURL": "https://charts.example", "chart": "web", "targetRevision": "1",
                        },
                    },
                });
                let api = api.clone();
                async move {
                    let application = serde_json::from_value(application)?;
                    api.create(&PostParams::default(), &application).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

/// How many objects there are.
async fn count<K>(objects: &Api<K>) -> anyhow::Result<usize>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let first = objects
        .list_metadata(&ListParams::default().limit(1))
        .await?;
    let more = first.metadata.remaining_item_count.unwrap_or_default();
    Ok(first.items.len() + usize::try_from(more)?)
}

/// How many images were decided on, as the operator's metrics have it: to list all policies again
/// and again would take longer than what is measured.
async fn decided(metrics: &str) -> anyhow::Result<usize> {
    let text = reqwest::get(format!("http://{metrics}/metrics")).await?;
    let text = text.text().await?;
    let images = text
        .lines()
        .filter(|it| it.starts_with("image_update_images{"));
    Ok(sum(images))
}

/// How many requests to write objects of ours, Applications, or events about them the API server
/// had.
async fn writes(kube: &Client) -> anyhow::Result<usize> {
    let text = kube
        .request_text(http::Request::get("/metrics").body(Vec::new())?)
        .await?;
    let is_write = |line: &&str| {
        ["APPLY", "DELETE", "PATCH", "POST", "PUT"]
            .iter()
            .any(|verb| line.contains(&format!("verb=\"{verb}\"")))
    };
    let is_ours = |line: &&str| {
        [
            "group=\"image-update.dev\"",
            "group=\"argoproj.io\"",
            "resource=\"events\"",
        ]
        .iter()
        .any(|label| line.contains(label))
    };
    let requests = text
        .lines()
        .filter(|it| it.starts_with("apiserver_request_total{"));
    Ok(sum(requests.filter(is_write).filter(is_ours)))
}

/// The sum of samples, all of which are whole numbers.
fn sum<'a>(samples: impl Iterator<Item = &'a str>) -> usize {
    let values = samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<usize>().ok());
    values.sum()
}

/// How many of the objects are not as they were.
fn changed(before: &Versions, after: &Versions) -> usize {
    let all = before
        .iter()
        .filter(|(name, version)| after.get(*name) != Some(version));
    all.count() + after.len().saturating_sub(before.len())
}

/// The resource version of each object of a kind.
async fn versions<K>(kind: &str, objects: &Api<K>) -> anyhow::Result<Versions>
where
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let all = objects.list_metadata(&ListParams::default()).await?;
    let all = all.items.into_iter();
    Ok(all
        .map(|it| {
            let meta = it.metadata;
            let name = format!("{kind} {}", meta.name.unwrap_or_default());
            (name, meta.resource_version)
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
