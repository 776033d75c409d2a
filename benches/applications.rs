//! Thousands of Applications in one repository: how long from a new tag of all their images until
//! every file in git is right, and what that costs.
//!
//! `cargo bench --bench applications -- 10000` measures another number than 1,000, and with `batch`
//! after it, commits that policies share.

#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use image_update_operator::api::v1alpha1::{ImageState, ImageUpdatePolicy, ImageWatch};
use image_update_operator::argocd::application::Application;
use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::faulty_registry::FaultyRegistry;
use image_update_testkit::git_server::GitServer;
use image_update_testkit::process::{Child, Launch};
use image_update_testkit::stack::Assets;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::discovery::ApiResource;
use kube::{Client, Resource};
use serde_json::{Value, json};

/// Image repositories; the Applications share them.
const IMAGES: usize = 200;
/// Requests to the API server at once while objects are made and changed.
const AT_ONCE: usize = 16;
/// How many times as long as a look takes, none is taken afterwards: to search thousands of files, or
/// list thousands of objects, keeps the cores from what is measured.
const LOOK_SELDOM: u32 = 4;
const PATIENCE: Duration = Duration::from_mins(5);

/// What a run looks at.
struct World {
    kube: Client,
    namespace: String,
    registry: FaultyRegistry,
    git: GitServer,
    applications: usize,
    granularity: &'static str,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // `cargo bench` adds a flag of its own.
    let applications = std::env::args().find_map(|argument| argument.parse().ok());
    let applications = applications.unwrap_or(1_000);
    let granularity = if std::env::args().any(|argument| argument == "batch") {
        "Batch"
    } else {
        "PerPolicy"
    };
    let server = ApiServer::start().await?;
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
    for crds in [own, Assets::locate()?.argocd_crds()?] {
        server.install_crds(&crds).await?;
    }
    let world = World {
        kube: server.client().await?,
        namespace: server.namespace("applications").await?,
        registry: FaultyRegistry::start().await?,
        git: GitServer::builder().tls().start().await?,
        applications,
        granularity,
    };
    world.release("1.0.0");
    world.commit_files()?;
    world.create().await?;

    let started = Instant::now();
    let operator = Launch::new(
        "operator",
        PathBuf::from(env!("CARGO_BIN_EXE_image-update-operator")),
    )?
    .args([
        "run".to_owned(),
        "--metrics-address=0".to_owned(),
        format!("--argocd-namespace={}", world.namespace),
    ])
    .env("KUBECONFIG", server.kubeconfig().display().to_string())
    .spawn()?;
    world
        .until(&operator, "policies are up to date", async || {
            world.up_to_date("1.0.0").await
        })
        .await?;
    let settled = started.elapsed();
    // What follows a start is over by then.
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.measure(&operator, settled).await
}

impl World {
    /// Has every image one tag more.
    fn release(&self, tag: &str) {
        let tags = ["1.0.0", tag].map(str::to_owned);
        for image in 0..IMAGES {
            self.registry
                .set_tags(&format!("org/app-{image:03}"), tags.clone());
        }
    }

    fn image(&self, index: usize) -> String {
        format!("{}/org/app-{:03}", self.registry.host(), index % IMAGES)
    }

    fn commit_files(&self) -> anyhow::Result<()> {
        let files: Vec<(String, String)> = (0..self.applications)
            .map(|index| {
                let image = self.image(index);
                let file = format!("images:\n- name: {image}\n  newTag: 1.0.0\n");
                (format!("apps/{index:05}/kustomization.yaml"), file)
            })
            .collect();
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(path, content)| (path.as_str(), content.as_bytes()))
            .collect();
        self.git.create_repository("env", &files)?;
        Ok(())
    }

    async fn create(&self) -> anyhow::Result<()> {
        let ca = self.git.ca_pem().context("the git server has TLS")?;
        let secret = json!({"metadata": {"name": "git"}, "stringData": {"ca.crt": ca}});
        Api::<k8s_openapi::api::core::v1::Secret>::namespaced(self.kube.clone(), &self.namespace)
            .create(&PostParams::default(), &serde_json::from_value(secret)?)
            .await?;
        self.create_all::<ImageWatch>(IMAGES, |index| {
            json!({
                "metadata": {"name": format!("app-{index:03}")},
                "spec": {"image": self.image(index), "interval": "1h", "insecure": true},
            })
        })
        .await?;
        self.create_all::<Application>(self.applications, |index| {
            json!({
                "metadata": {"name": format!("app-{index:05}")},
                "spec": {
                    "project": "default",
                    "destination": {"server": "x", "namespace": "y"},
                    "source": {
                        "repoURL": self.git.url("env"),
                        "targetRevision": "main",
                        "path": format!("apps/{index:05}"),
                    },
                },
                "status": {"sourceType": "Kustomize"},
            })
        })
        .await?;
        self.create_all::<ImageUpdatePolicy>(self.applications, |index| {
            json!({
                "metadata": {"name": format!("app-{index:05}")},
                "spec": {
                    "images": [{
                        "alias": "app",
                        "watchRef": {"name": format!("app-{:03}", index % IMAGES)},
                        "strategy": {"semver": {}},
                    }],
                    "applications": [{"name": format!("app-{index:05}")}],
                    "writeBack": {"git": {
                        "credentials": {"secretRef": {"name": "git"}},
                        "targets": [{"kustomization": {"path": "."}}],
                        "commit": {"granularity": self.granularity},
                    }},
                },
            })
        })
        .await
    }

    async fn create_all<K: Resource<DynamicType = ()>>(
        &self,
        count: usize,
        object: impl Fn(usize) -> Value,
    ) -> anyhow::Result<()> {
        let resource = ApiResource::erase::<K>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.kube.clone(), &self.namespace, &resource);
        stream::iter(0..count)
            .map(|index| {
                let mut object = object(index);
                object["apiVersion"] = resource.api_version.clone().into();
                object["kind"] = resource.kind.clone().into();
                let api = api.clone();
                async move {
                    let object = serde_json::from_value(object)?;
                    api.create(&PostParams::default(), &object).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }

    /// How many policies have found their image up to date at `tag`, and whether that is all.
    async fn up_to_date(&self, tag: &str) -> anyhow::Result<(usize, bool)> {
        let policies: Api<ImageUpdatePolicy> = Api::namespaced(self.kube.clone(), &self.namespace);
        let all = policies.list(&ListParams::default()).await?;
        let images = all.items.iter().flat_map(|policy| &policy.status);
        let images = images.flat_map(|status| &status.images);
        let is_done = |state| matches!(state, ImageState::UpToDate);
        let done = images.filter(|it| is_done(it.state) && it.selected.as_deref() == Some(tag));
        let count = done.count();
        Ok((count, count == self.applications))
    }

    async fn measure(&self, operator: &Child, settled: Duration) -> anyhow::Result<()> {
        let requests = self.git.requests();
        let before = operator.processor_time()?;
        let (at_rest, _) = operator.resident_mib()?;
        let pushes = self.git.git("env", &["rev-list", "--count", "main"])?;

        self.release("1.1.0");
        let released = Instant::now();
        self.scan_all().await?;
        self.until(operator, "watches were scanned", async || {
            self.scanned().await
        })
        .await?;
        let scanned = Instant::now();
        self.until(operator, "files are right", async || Ok(self.right()))
            .await?;
        let right = Instant::now();
        let requests = self.git.requests() - requests;
        self.until(operator, "policies say so", async || {
            self.up_to_date("1.1.0").await
        })
        .await?;
        let told = Instant::now();
        let spent = operator.processor_time()?.saturating_sub(before);
        let (resident, peak) = operator.resident_mib()?;
        let commits = self.git.git("env", &["rev-list", "--count", "main"])?;
        self.git.fsck("env")?;

        println!(
            "| {} Applications and policies, {IMAGES} images, commits {} | measured |",
            self.applications, self.granularity
        );
        println!("|---|---|");
        let row = |what: &str, value: String| println!("| {what} | {value} |");
        let seconds = |time: Duration| format!("{:.1} s", time.as_secs_f64());
        row(
            "from the start until all are known to be up to date",
            seconds(settled),
        );
        row(
            "from the release until all watches were scanned",
            seconds(scanned - released),
        );
        row(
            "from then until every file is right",
            seconds(right - scanned),
        );
        row(
            "from then until every policy says so",
            seconds(told - right),
        );
        row("requests to git", requests.to_string());
        row("commits before, after", format!("{pushes}, {commits}"));
        row("processor time of the operator", seconds(spent));
        row("resident before the release", format!("{at_rest:.0} MiB"));
        row(
            "resident at the end, at most",
            format!("{resident:.0} MiB, {peak:.0} MiB"),
        );
        Ok(())
    }

    /// Asks for a scan of every watch.
    async fn scan_all(&self) -> anyhow::Result<()> {
        let watches: Api<ImageWatch> = Api::namespaced(self.kube.clone(), &self.namespace);
        let annotations = json!({"image-update.dev/requestedAt": "now"});
        let patch = json!({"metadata": {"annotations": annotations}});
        stream::iter(0..IMAGES)
            .map(|index| {
                let (watches, patch) = (watches.clone(), Patch::Merge(patch.clone()));
                async move {
                    let name = format!("app-{index:03}");
                    watches
                        .patch_metadata(&name, &PatchParams::default(), &patch)
                        .await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
    }

    async fn scanned(&self) -> anyhow::Result<(usize, bool)> {
        let watches: Api<ImageWatch> = Api::namespaced(self.kube.clone(), &self.namespace);
        let all = watches.list(&ListParams::default()).await?;
        let scans = all.items.iter().flat_map(|watch| &watch.status);
        let scans = scans.flat_map(|status| &status.last_scan);
        let count = scans.filter(|scan| scan.tags == 2).count();
        Ok((count, count == IMAGES))
    }

    /// How many files have the new tag, and whether that is all.
    fn right(&self) -> (usize, bool) {
        // Exit code 1 is that there are none.
        let found = self
            .git
            .git("env", &["grep", "--name-only", "newTag: 1.1.0", "main"])
            .unwrap_or_default();
        let count = found.lines().count();
        (count, count == self.applications)
    }

    async fn until(
        &self,
        operator: &Child,
        what: &str,
        mut probe: impl AsyncFnMut() -> anyhow::Result<(usize, bool)>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let asked = Instant::now();
            let (count, is_all) = probe().await?;
            if is_all {
                return Ok(());
            }
            let pause = asked.elapsed() * LOOK_SELDOM;
            if started.elapsed() > PATIENCE {
                println!("{}", operator.log_tail());
                anyhow::bail!("{count} {what} after {PATIENCE:?}");
            }
            tokio::time::sleep(pause.max(Duration::from_millis(100))).await;
        }
    }
}
