//! Policies by the thousand, each for a branch of its own: what one operator costs, and what each of
//! two costs that share them. `-- 5000` has that many.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use image_update_operator::api::v1alpha1::{ImageUpdatePolicy, ImageWatch};
use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::faulty_registry::FaultyRegistry;
use image_update_testkit::git_server::GitServer;
use image_update_testkit::process::{Child, Launch, free_port};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

const POLICIES: usize = 3_000;
/// Each is followed by many policies.
const WATCHES: usize = 50;
/// Requests to the API server at once while the objects are made.
const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_mins(8);
/// How long the operators are watched at rest.
const REST: Duration = Duration::from_mins(1);

/// The servers that the operators work with.
struct World {
    server: ApiServer,
    kube: Client,
    namespace: String,
    policies: usize,
    git: GitServer,
    registry: FaultyRegistry,
}

/// An operator, and where it says what goes on.
struct Operator {
    process: Child,
    debug: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let number = std::env::args().find_map(|argument| argument.parse().ok());
    let world = World::start(number.unwrap_or(POLICIES)).await?;
    println!(
        "| {} policies of as many branches | policies | from the start until all are known to be up to date | processor time until then | resident at rest | at most | of one core at rest |",
        world.policies
    );
    println!("|---|---|---|---|---|---|---|");
    world.measure("one operator", &["--shards=1"]).await?;
    let shards = ["--shards=2", "--shards=2"];
    world.measure("one of two", &shards).await
}

impl World {
    async fn start(policies: usize) -> anyhow::Result<Self> {
        let server = ApiServer::start().await?;
        server
            .install_crds(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crds"))
            .await?;
        let kube = server.client().await?;
        let namespace = server.namespace("shards").await?;
        let registry = FaultyRegistry::start().await?;
        let git = GitServer::builder().tls().start().await?;
        let world = Self {
            server,
            kube,
            namespace,
            policies,
            git,
            registry,
        };
        world.make_branches()?;
        world.make_objects().await?;
        Ok(world)
    }

    /// Every branch says already what will be selected, so that nothing is pushed.
    fn make_branches(&self) -> anyhow::Result<()> {
        let images = (0..WATCHES).map(|index| {
            let image = self.image(index);
            format!("- name: {image}\n  newTag: 1.1.0\n")
        });
        let file = format!("images:\n{}", images.collect::<String>());
        self.git
            .create_repository("env", &[("kustomization.yaml", file.as_bytes())])?;
        for index in 0..self.policies {
            self.git.git("env", &["branch", &branch(index), "main"])?;
        }
        self.git.git("env", &["pack-refs", "--all"])?;
        Ok(())
    }

    fn image(&self, index: usize) -> String {
        format!("{}/{}", self.registry.host(), repository(index))
    }

    async fn make_objects(&self) -> anyhow::Result<()> {
        let ca = self.git.ca_pem().context("the git server has TLS")?;
        let secret = json!({"metadata": {"name": "git"}, "stringData": {"ca.crt": ca}});
        Api::<k8s_openapi::api::core::v1::Secret>::namespaced(self.kube.clone(), &self.namespace)
            .create(&PostParams::default(), &serde_json::from_value(secret)?)
            .await?;
        let watches: Api<ImageWatch> = self.api();
        for index in 0..WATCHES {
            let tags = ["1.0.0", "1.1.0"].map(str::to_owned);
            self.registry.set_tags(&repository(index), tags);
            let watch = json!({
                "apiVersion": "image-update.dev/v1alpha1", "kind": "ImageWatch",
                "metadata": {"name": format!("app-{index:02}")},
                "spec": {"image": self.image(index), "interval": "2m", "insecure": true},
            });
            let watch = serde_json::from_value(watch)?;
            watches.create(&PostParams::default(), &watch).await?;
        }
        let policies: Api<ImageUpdatePolicy> = self.api();
        stream::iter(0..self.policies)
            .map(|index| {
                let policy = self.policy(&format!("app-{index:05}"), index);
                let policies = policies.clone();
                async move {
                    let policy = serde_json::from_value(policy)?;
                    policies.create(&PostParams::default(), &policy).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
            .context("create the policies")
    }

    fn policy(&self, name: &str, index: usize) -> Value {
        json!({
            "apiVersion": "image-update.dev/v1alpha1", "kind": "ImageUpdatePolicy",
            "metadata": {"name": name},
            "spec": {
                "interval": "10m",
                "images": [{
                    "alias": "app",
                    "watchRef": {"name": format!("app-{:02}", index % WATCHES)},
                    "strategy": {"semver": {}},
                }],
                "writeBack": {"git": {
                    "repository": self.git.url("env"), "branch": branch(index),
                    "credentials": {"secretRef": {"name": "git"}},
                    "targets": [{"kustomization": {"path": "."}}],
                }},
            },
        })
    }

    fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    {
        Api::namespaced(self.kube.clone(), &self.namespace)
    }

    /// Measures operators that begin with what none of them has looked at.
    async fn measure(&self, what: &str, flags: &[&str]) -> anyhow::Result<()> {
        self.forget_statuses().await?;
        let started = Instant::now();
        let operators: Vec<Operator> = flags
            .iter()
            .enumerate()
            .map(|(index, flag)| {
                self.operate(&[(*flag).to_owned(), format!("--shard-index={index}")])
            })
            .collect::<anyhow::Result<_>>()?;
        let policies: Api<ImageUpdatePolicy> = self.api();
        while self.not_ready(&policies).await? > 0 {
            anyhow::ensure!(
                started.elapsed() < PATIENCE,
                "{}",
                operators[0].process.log_tail()
            );
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let took = started.elapsed();
        let until = operators.iter().map(|it| it.process.processor_time());
        let until: Vec<Duration> = until.collect::<std::io::Result<_>>()?;
        tokio::time::sleep(REST / 2).await;
        let before = operators.iter().map(|it| it.process.processor_time());
        let before: Vec<Duration> = before.collect::<std::io::Result<_>>()?;
        tokio::time::sleep(REST).await;
        for (index, operator) in operators.iter().enumerate() {
            let spent = operator
                .process
                .processor_time()?
                .saturating_sub(before[index]);
            let (resident, peak) = operator.process.resident_mib()?;
            println!(
                "| {what} | {} | {:.1} s | {:.1} s | {resident:.0} MiB | {peak:.0} MiB | {:.1} % |",
                operator.state().await?["ownPolicies"],
                took.as_secs_f64(),
                until[index].as_secs_f64(),
                spent.as_secs_f64() / REST.as_secs_f64() * 100.0,
            );
        }
        self.conflicts_are_seen(&policies).await
    }

    fn operate(&self, flags: &[String]) -> anyhow::Result<Operator> {
        let debug = format!("127.0.0.1:{}", free_port()?);
        let program = PathBuf::from(env!("CARGO_BIN_EXE_image-update-operator"));
        let process = Launch::new("operator", program)?
            .args(["run".to_owned(), "--metrics-address=0".to_owned()])
            .args([format!("--debug-address={debug}")])
            .args(flags.to_vec())
            .env("KUBECONFIG", self.server.kubeconfig().display().to_string())
            .spawn()?;
        Ok(Operator { process, debug })
    }

    /// How many policies are not known to be up to date.
    async fn not_ready(&self, policies: &Api<ImageUpdatePolicy>) -> anyhow::Result<usize> {
        let all = policies.list(&ListParams::default()).await?;
        let is_ready = |policy: &&ImageUpdatePolicy| {
            let status = policy.status.iter();
            let mut conditions = status.flat_map(|status| &status.conditions);
            conditions.any(|it| it.type_ == "Ready" && it.status == "True")
        };
        Ok(self
            .policies
            .saturating_sub(all.items.iter().filter(is_ready).count()))
    }

    async fn forget_statuses(&self) -> anyhow::Result<()> {
        let policies: Api<ImageUpdatePolicy> = self.api();
        let all = policies.list_metadata(&ListParams::default()).await?;
        stream::iter(all.items)
            .map(|policy| {
                let policies = policies.clone();
                let name = policy.metadata.name.unwrap_or_default();
                async move {
                    let nothing = Patch::Merge(json!({"status": null}));
                    let parameters = PatchParams::default();
                    policies.patch_status(&name, &parameters, &nothing).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// The newer of two policies for one file is told, whoever has the older one.
    async fn conflicts_are_seen(&self, policies: &Api<ImageUpdatePolicy>) -> anyhow::Result<()> {
        let late = serde_json::from_value(self.policy("late", self.policies / 2))?;
        policies.create(&PostParams::default(), &late).await?;
        let started = Instant::now();
        loop {
            let policy = policies.get("late").await?;
            let conditions = policy.status.iter().flat_map(|status| &status.conditions);
            let ready = conditions.into_iter().find(|it| it.type_ == "Ready");
            if ready.is_some_and(|it| it.reason == "Conflict") {
                break;
            }
            anyhow::ensure!(started.elapsed() < PATIENCE, "{ready:?}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        policies.delete("late", &DeleteParams::default()).await?;
        Ok(())
    }
}

impl Operator {
    async fn state(&self) -> anyhow::Result<Value> {
        let url = format!("http://{}/debug/state", self.debug);
        let text = reqwest::get(url).await?.text().await?;
        Ok(serde_json::from_str(&text)?)
    }
}

fn repository(index: usize) -> String {
    format!("org/app-{index:02}")
}

fn branch(index: usize) -> String {
    format!("branch-{index:05}")
}
