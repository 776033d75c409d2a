//! The servers of the demonstration and what is done with them. All of it is gone when the
//! [`Stage`] is dropped.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use image_update_operator::api::v1alpha1::ImageUpdatePolicy;
use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::chart;
use image_update_testkit::git_server::GitServer;
use image_update_testkit::pod::Pod;
use image_update_testkit::process::{Child, Launch, free_port};
use image_update_testkit::registry::Registry;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{Api, DynamicObject, ObjectMeta, Patch, PatchParams, PostParams};
use kube::discovery::ApiResource;
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};

/// Where the objects of the demonstration are.
pub(crate) const NAMESPACE: &str = "demo";

/// Where the operator is installed, and what its release is called.
const OPERATOR_NAMESPACE: &str = "image-update-system";
const RELEASE: &str = "image-update-operator";

const OBJECTS: &str = include_str!("objects.yaml");
const USER: &str = "robot";
const PASSWORD: &str = "only-for-the-demo";
const FILE: &str = "overlays/prod/kustomization.yaml";

/// The operator, with the volumes and the token that it needs as long as it runs.
pub(crate) struct Operator {
    pub(crate) process: Child,
    _pod: Pod,
}

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) kube: Client,
    server: ApiServer,
    registry: Registry,
    git: GitServer,
    /// Where the operator serves its metrics.
    metrics: String,
    pub(crate) operator: Option<Operator>,
}

impl Stage {
    /// Starts all servers, and makes a repository that deploys v0.9.0.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let server = ApiServer::start().await?;
        let registry = Registry::start().await?;
        let git = GitServer::builder()
            .tls()
            .basic_auth(USER, PASSWORD)
            .start()
            .await?;
        let image = format!("{}/podinfo", registry.host());
        let file = format!(
            "# What runs in production.\nresources:\n- ../../base\nimages:\n- name: {image}\n  newTag: 0.9.0  # kept up to date\n"
        );
        git.create_repository("environments", &[(FILE, file.as_bytes())])?;
        Ok(Self {
            kube: server.client().await?,
            server,
            registry,
            git,
            metrics: format!("127.0.0.1:{}", free_port()?),
            operator: None,
        })
    }

    /// Installs all that the chart renders with its defaults, and returns it.
    pub(crate) async fn install(&self) -> anyhow::Result<Vec<Value>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/image-update-operator");
        let objects = chart::render(&folder, RELEASE, OPERATOR_NAMESPACE, &json!({}))?;
        self.namespace(OPERATOR_NAMESPACE).await?;
        self.server.install(&objects).await?;
        Ok(objects)
    }

    /// Makes the demonstration's namespace, and in it the Secret with the git credential.
    pub(crate) async fn prepare(&self) -> anyhow::Result<()> {
        self.namespace(NAMESPACE).await?;
        let authority = self.git.ca_pem().context("the git server has TLS")?;
        let credential = [
            ("username", USER),
            ("password", PASSWORD),
            ("ca.crt", authority),
        ];
        let secret = Secret {
            metadata: named("git-credentials"),
            string_data: Some(
                credential
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
            ),
            ..Secret::default()
        };
        Api::namespaced(self.kube.clone(), NAMESPACE)
            .create(&PostParams::default(), &secret)
            .await
            .context("create the Secret")?;
        Ok(())
    }

    async fn namespace(&self, name: &str) -> anyhow::Result<()> {
        let namespace = Namespace {
            metadata: named(name),
            ..Namespace::default()
        };
        Api::all(self.kube.clone())
            .create(&PostParams::default(), &namespace)
            .await
            .context("create a namespace")?;
        Ok(())
    }

    /// Pushes an image.
    pub(crate) async fn push(&self, tag: &str) -> anyhow::Result<()> {
        self.registry.push("podinfo", tag).await?;
        Ok(())
    }

    /// Starts the operator as the installed Deployment has it: with its arguments, its volumes and the
    /// token of its ServiceAccount. Returns who it is, and its command line.
    pub(crate) async fn start_operator(
        &mut self,
        program: PathBuf,
        objects: &[Value],
    ) -> anyhow::Result<String> {
        let deployment = objects.iter().find(|it| it["kind"] == "Deployment");
        let deployment = deployment.context("the chart has a Deployment")?;
        let pod = Pod::of(&self.server, deployment, "demo").await?;
        // A pod's port is its own, one of this machine may be taken.
        let pod = pod.flag("--metrics-address", &self.metrics);
        let process = pod.launch("operator", program).and_then(Launch::spawn)?;
        let shown = format!(
            "{}\n{}\n(the metrics' port, the cache's folder, and a kubeconfig with the account's token are \
             the demo's: there is no node)",
            pod.user(),
            pod.arguments().join(" ")
        );
        self.operator = Some(Operator { process, _pod: pod });
        Ok(shown)
    }

    /// Applies both objects; returns them as they were applied.
    pub(crate) async fn apply(&self) -> anyhow::Result<String> {
        let text = OBJECTS
            .replace("IMAGE", &format!("{}/podinfo", self.registry.host()))
            .replace("REPOSITORY", &self.git.url("environments"));
        for document in text.split("---\n") {
            let object: DynamicObject =
                serde_yaml::from_str(document).context("read the demo's objects")?;
            let kind = object.types.clone().context("the object has a kind")?.kind;
            let plural = match kind.as_str() {
                "ImageWatch" => "imagewatches",
                _ => "imageupdatepolicies",
            };
            let resource = ApiResource {
                group: "image-update.dev".to_owned(),
                version: "v1alpha1".to_owned(),
                api_version: "image-update.dev/v1alpha1".to_owned(),
                kind,
                plural: plural.to_owned(),
            };
            Api::<DynamicObject>::namespaced_with(self.kube.clone(), NAMESPACE, &resource)
                .patch(
                    &object.name_any(),
                    &PatchParams::apply("demo"),
                    &Patch::Apply(&object),
                )
                .await
                .context("apply an object of the demo")?;
        }
        Ok(text)
    }

    /// The file in git.
    pub(crate) fn kustomization(&self) -> anyhow::Result<String> {
        let file = self.git.show("environments", "main", FILE)?;
        String::from_utf8(file).context("read the file in git")
    }

    /// The last commit with its diff.
    pub(crate) fn commit(&self) -> anyhow::Result<String> {
        self.git.diff("environments", "main")
    }

    /// Waits until the policy's status says what git says.
    pub(crate) async fn wait_until_ready(&self) -> anyhow::Result<()> {
        let api: Api<ImageUpdatePolicy> = Api::namespaced(self.kube.clone(), NAMESPACE);
        let commit = self.git.head("environments", "main")?;
        for _ in 0..600 {
            let status = api.get("podinfo").await.context("read the policy")?.status;
            let written = status.and_then(|status| status.last_write);
            if written.is_some_and(|write| write.commit.as_ref() == Some(&commit)) {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::bail!("the policy's status does not name the commit")
    }

    /// What the operator logged last.
    pub(crate) fn logs(&self) -> String {
        let operator = self.operator.as_ref();
        operator.map_or_else(String::new, |it| it.process.log_tail().to_string())
    }

    /// The time between the last two lines of the log that tell of new tags and of a commit.
    pub(crate) fn time_after_scan(&self) -> anyhow::Result<Duration> {
        let logs = self.logs();
        let time_of = |message: &str| {
            let lines = logs.lines().rev();
            let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let line = lines.find(|line| line["message"] == message);
            let line = line.with_context(|| format!("the log does not say {message:?}"))?;
            let time = line["timestamp"].as_str().unwrap_or_default();
            time.parse::<Timestamp>().context("read the log's time")
        };
        let elapsed =
            time_of("Pushed a commit")?.duration_since(time_of("The list of tags changed")?);
        Duration::try_from(elapsed).context("the log's times are in order")
    }

    /// How the cluster is reached.
    pub(crate) fn kubeconfig(&self) -> &Path {
        self.server.kubeconfig()
    }

    /// Prints how to go on by hand.
    pub(crate) fn explain(&self) -> anyhow::Result<()> {
        let authority = self.kubeconfig().with_file_name("git-ca.pem");
        let pem = self.git.ca_pem().context("the git server has TLS")?;
        std::fs::write(&authority, pem).context("write the git server's authority")?;
        let host = self.registry.host();
        let git = self
            .git
            .url("environments")
            .replace("https://", &format!("https://{USER}:{PASSWORD}@"));
        println!(
            "\n==> Staying up until Ctrl-C\n\n\
             the cluster      export KUBECONFIG={}\n\
             \x20                kubectl -n {NAMESPACE} get iw,iup\n\
             the repository   GIT_SSL_CAINFO={} git clone {git}\n\
             the operator     curl http://{}/metrics\n\
             the registry     curl http://{host}/v2/podinfo/tags/list\n\
             another tag      curl -s -H 'Accept: application/vnd.oci.image.manifest.v1+json' \\\n\
             \x20                  http://{host}/v2/podinfo/manifests/1.1.0 |\n\
             \x20                curl -X PUT --data-binary @- \\\n\
             \x20                  -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' \\\n\
             \x20                  http://{host}/v2/podinfo/manifests/1.2.0",
            self.server.kubeconfig().display(),
            authority.display(),
            self.metrics,
        );
        Ok(())
    }
}

fn named(name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        ..ObjectMeta::default()
    }
}
