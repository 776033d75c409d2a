//! A world for a test: a namespace of the shared API server, a registry, a git server, and the
//! operator as a process, started and stopped as its user would.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use image_update_operator::api::v1alpha1::{
    ImageUpdatePolicy, ImageUpdatePolicyStatus, ImageWatch, ImageWatchStatus,
};
use image_update_testkit::apiserver::ApiServer;
use image_update_testkit::git_server::GitServer;
use image_update_testkit::pod::Pod;
use image_update_testkit::process::{Child, Launch};
use image_update_testkit::registry::Registry;
use image_update_testkit::stack::Assets;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use kube::discovery::ApiResource;
use kube::{Client, Resource};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::gitops;

/// How long a test waits for what should happen; generous, because two cores serve many servers.
const PATIENCE: Duration = Duration::from_mins(1);

/// How often it looks.
const POLL: Duration = Duration::from_millis(50);

/// What operators log.
const LOG_LEVEL: &str = "debug,hyper=info,h2=info,tower=info,kube=info";

/// The password of the git server; no status, event or log may ever hold it.
pub(crate) const GIT_PASSWORD: &str = "git-pa55word-never-shown";

/// The user that goes with it.
pub(crate) const GIT_USER: &str = "robot";

/// The servers of one test, and the operator that looks at its namespace.
pub(crate) struct World {
    /// The API server, shared with other tests.
    pub(crate) server: &'static ApiServer,
    /// A client with every right.
    pub(crate) kube: Client,
    /// The namespace that belongs to this test.
    pub(crate) namespace: String,
    /// The git server: TLS with its own authority, and basic authentication.
    pub(crate) git: GitServer,
    operator: Option<Child>,
    flags: Vec<String>,
    kubeconfig: PathBuf,
    /// What operators are, if not processes with these flags.
    pod: Option<Pod>,
    environment: Vec<(&'static str, &'static str)>,
    /// What operators that are gone had written to their logs.
    old_logs: String,
}

impl World {
    /// Starts the servers and creates the Secret `git` with the git server's credential.
    pub(crate) async fn start() -> Self {
        Self::on(api_server().await).await
    }

    /// As [`World::start`], with an API server that has the CRDs.
    pub(crate) async fn on(server: &'static ApiServer) -> Self {
        gitops::prepare();
        let kube = server
            .client()
            .await
            .expect("the API server has a client for us");
        let namespace = server
            .namespace("test")
            .await
            .expect("a namespace can be created");
        let git = GitServer::builder()
            .tls()
            .basic_auth(GIT_USER, GIT_PASSWORD)
            .start()
            .await
            .expect("the git server starts");
        let flags = vec![format!("--watch-namespaces={namespace}")];
        let world = Self {
            server,
            kube,
            namespace,
            git,
            operator: None,
            flags,
            kubeconfig: server.kubeconfig().to_owned(),
            pod: None,
            environment: Vec::new(),
            old_logs: String::new(),
        };
        let ca = world
            .git
            .ca_pem()
            .expect("the git server has TLS")
            .to_owned();
        let credential = [
            ("username", GIT_USER),
            ("password", GIT_PASSWORD),
            ("ca.crt", &ca),
        ];
        world.secret("git", None, &credential).await;
        world
    }

    /// As [`World::start`], with one registry that has 1.0.0 and 1.1.0 of `team/app`, a watch `app`
    /// of it, and `files` in the repository `env`. No operator runs yet.
    pub(crate) async fn with_app(files: &[(&str, &[u8])]) -> (Self, Registry) {
        let world = Self::start().await;
        let registry = Registry::start().await.expect("the registry starts");
        for tag in ["1.0.0", "1.1.0"] {
            let pushed = registry.push("team/app", tag).await;
            pushed.expect("the image is pushed");
        }
        let made = world.git.create_repository("env", files);
        made.expect("the repository is made");
        let image = format!("{}/team/app", registry.host());
        world.watch("app", json!({"image": image})).await;
        (world, registry)
    }

    /// Has `overlays/prod` of the repository `env` run a tag of `team/app`, by its whole name.
    pub(crate) fn deploy_app(&self, registry: &Registry, tag: &str) {
        let file = kustomization(&format!("{}/team/app", registry.host()), tag);
        let file = ("overlays/prod/kustomization.yaml", file.as_bytes());
        let written = self.git.commit("env", "main", &[file], "Name the image");
        written.expect("the file is written");
    }

    /// Adds a flag for operators that are started from now on.
    pub(crate) fn flag(&mut self, flag: &str) {
        self.flags.push(flag.to_owned());
    }

    /// Starts operators from now on as who has `kubeconfig`, and with these flags only.
    pub(crate) fn operate_as(&mut self, kubeconfig: PathBuf, flags: Vec<String>) {
        self.kubeconfig = kubeconfig;
        self.flags = flags;
    }

    /// Starts operators from now on as this pod, and with its flags only.
    pub(crate) fn operate_in(&mut self, pod: Pod) {
        self.pod = Some(pod.flag("--log-level", LOG_LEVEL));
    }

    /// Sets a variable of the environment of operators that are started from now on.
    pub(crate) fn environment(&mut self, name: &'static str, value: &'static str) {
        self.environment.push((name, value));
    }

    /// Starts an operator; what it does is seen in the world, so nothing is waited for.
    pub(crate) fn start_operator(&mut self) {
        self.operator = Some(self.launch_operator());
    }

    /// Starts an operator that the caller owns, beside the world's own.
    pub(crate) fn launch_operator(&self) -> Child {
        self.launch_operator_with(&[])
    }

    /// As [`World::launch_operator`], with more flags that others do not have.
    pub(crate) fn launch_operator_with(&self, flags: &[String]) -> Child {
        let launch = match &self.pod {
            Some(pod) => pod.launch("operator", operator()),
            None => Launch::new("operator", operator()).map(|launch| {
                launch
                    .args(["run"])
                    .args(self.flags.iter().cloned())
                    .env("KUBECONFIG", self.kubeconfig.display().to_string())
                    .env("IMAGE_UPDATE_LOG_LEVEL", LOG_LEVEL)
            }),
        };
        let variables = self.environment.iter();
        launch
            .map(|launch| {
                variables
                    .fold(launch, |launch, (name, value)| launch.env(*name, *value))
                    .args(flags.iter().cloned())
                    // Operators that run beside each other can't share a port.
                    .env("IMAGE_UPDATE_METRICS_ADDRESS", "0")
            })
            .and_then(Launch::spawn)
            .expect("the operator starts")
    }

    /// Kills the operator with SIGKILL.
    pub(crate) fn kill_operator(&mut self) {
        if let Some(mut operator) = self.operator.take() {
            // The log goes with the process.
            self.old_logs.push_str(&operator.log_tail().to_string());
            operator.kill();
        }
    }

    /// The process id of the operator.
    pub(crate) fn operator_pid(&self) -> u32 {
        self.operator
            .as_ref()
            .expect("the test started an operator")
            .pid()
    }

    /// What all operators of this world have logged, as far as it is kept.
    pub(crate) fn logs(&self) -> String {
        let now = self
            .operator
            .as_ref()
            .map(|operator| operator.log_tail().to_string());
        format!("{}{}", self.old_logs, now.unwrap_or_default())
    }

    /// Creates or replaces a Secret of the world's namespace.
    pub(crate) async fn secret(&self, name: &str, type_: Option<&str>, data: &[(&str, &str)]) {
        let data: serde_json::Map<String, Value> = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), json!(value)))
            .collect();
        let secret: Secret = serde_json::from_value(json!({
            "metadata": {"name": name},
            "type": type_,
            "stringData": data,
        }))
        .expect("a Secret of text is a Secret");
        let api: Api<Secret> = self.api();
        // A Secret's type can't be changed, so it is made anew.
        drop(api.delete(name, &kube::api::DeleteParams::default()).await);
        api.create(&PostParams::default(), &secret)
            .await
            .expect("the Secret can be created");
    }

    /// Applies an ImageWatch, with `insecure: true` (registries of tests speak plain HTTP) and an
    /// interval of 10 s unless `spec` says otherwise.
    pub(crate) async fn watch(&self, name: &str, spec: Value) {
        let mut whole = json!({"insecure": true, "interval": "10s"});
        merge(&mut whole, spec);
        self.apply("ImageWatch", name, whole).await;
    }

    /// Applies an ImageUpdatePolicy that writes to `overlays/prod` of the repository `env` as the
    /// Secret `git`, unless `spec` says otherwise.
    pub(crate) async fn policy(&self, name: &str, images: Value, spec: Value) {
        let mut whole = json!({
            "interval": "30s",
            "images": images,
            "writeBack": {"git": {
                "repository": self.git.url("env"),
                "branch": "main",
                "credentials": {"secretRef": {"name": "git"}},
                "targets": [{"kustomization": {"path": "overlays/prod"}}],
            }},
        });
        merge(&mut whole, spec);
        self.apply("ImageUpdatePolicy", name, whole).await;
    }

    /// Applies an object of one of the two kinds as a user would, server-side.
    pub(crate) async fn apply(&self, kind: &str, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": spec,
        });
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.kube.clone(), &self.namespace, &resource(kind));
        api.patch(
            name,
            &PatchParams::apply("test").force(),
            &Patch::Apply(&object),
        )
        .await
        .expect("the API server takes the object");
    }

    /// Merges a patch into the policy or watch `name`.
    pub(crate) async fn patch(&self, kind: &str, name: &str, patch: Value) {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.kube.clone(), &self.namespace, &resource(kind));
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("the API server takes the patch");
    }

    /// Asks the operator to look at an object now, as its users do.
    pub(crate) async fn request(&self, kind: &str, name: &str) {
        let token = format!("{:?}", Instant::now());
        let annotations = json!({"image-update.dev/requestedAt": token});
        self.patch(
            kind,
            name,
            json!({"metadata": {"annotations": annotations}}),
        )
        .await;
    }

    /// A typed API of the world's namespace.
    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.kube.clone(), &self.namespace)
    }

    /// The status of a policy.
    pub(crate) async fn policy_status(&self, name: &str) -> ImageUpdatePolicyStatus {
        let policy: ImageUpdatePolicy = self.api().get(name).await.expect("the policy is there");
        policy.status.unwrap_or_default()
    }

    /// The status of a watch.
    pub(crate) async fn watch_status(&self, name: &str) -> ImageWatchStatus {
        let watch: ImageWatch = self.api().get(name).await.expect("the watch is there");
        watch.status.unwrap_or_default()
    }

    /// `Ready` of the policy `name` as `(status, reason, message)`.
    pub(crate) async fn policy_ready(&self, name: &str) -> (String, String, String) {
        ready(&self.policy_status(name).await.conditions)
    }

    /// `Ready` of the watch `name` as `(status, reason, message)`.
    pub(crate) async fn watch_ready(&self, name: &str) -> (String, String, String) {
        ready(&self.watch_status(name).await.conditions)
    }

    /// Waits until `Ready` of the policy has this reason, and returns its message.
    pub(crate) async fn policy_becomes(&self, name: &str, reason: &str) -> String {
        let message = self
            .until(&format!("policy {name} with {reason}"), async || {
                let (_, found, message) = self.policy_ready(name).await;
                if found == reason {
                    Ok(message)
                } else {
                    Err(format!("{found}: {message}"))
                }
            })
            .await;
        self.tools_agree("ImageUpdatePolicy", name).await;
        message
    }

    /// Waits until `Ready` of the watch has this reason, and returns its message.
    pub(crate) async fn watch_becomes(&self, name: &str, reason: &str) -> String {
        let message = self
            .until(&format!("watch {name} with {reason}"), async || {
                let (_, found, message) = self.watch_ready(name).await;
                if found == reason {
                    Ok(message)
                } else {
                    Err(format!("{found}: {message}"))
                }
            })
            .await;
        self.tools_agree("ImageWatch", name).await;
        message
    }

    /// GitOps tools have to see each state as it is.
    async fn tools_agree(&self, kind: &str, name: &str) {
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.kube.clone(), &self.namespace, &resource(kind));
        let object = api.get(name).await.expect("the object is there");
        gitops::agree(&serde_json::to_value(object).expect("an object is JSON"));
    }

    /// Waits until the kustomization of `env` at `main` says `expected` somewhere.
    pub(crate) async fn kustomization_says(&self, expected: &str) {
        self.until(&"the file in git", async || {
            let text = self.kustomization();
            if text.contains(expected) {
                Ok(())
            } else {
                Err(text)
            }
        })
        .await;
    }

    /// The kustomization of `env` at `main`.
    pub(crate) fn kustomization(&self) -> String {
        let file = self
            .git
            .show("env", "main", "overlays/prod/kustomization.yaml");
        String::from_utf8(file.expect("the file is in git")).expect("the file is text")
    }

    /// The subjects of the commits on `main` of `env` that the operator made, newest first.
    pub(crate) fn commits(&self) -> Vec<String> {
        let log = self
            .git
            .log("env", "main")
            .expect("the repository has a log");
        let ours = |author: &str| author.starts_with("image-update-operator");
        log.into_iter()
            .filter(|commit| ours(&commit.author))
            .map(|commit| commit.body)
            .collect()
    }

    /// Waits until the file at `path` of the repository `env` is `expected`.
    pub(crate) async fn file_becomes(&self, path: &str, expected: &str) {
        self.until(&format!("file {path}"), async || {
            let file = self.git.show("env", "main", path);
            let file = file.map_err(|error| error.to_string())?;
            let text = String::from_utf8(file).expect("the file is text");
            if text == expected { Ok(()) } else { Err(text) }
        })
        .await;
    }

    /// Asks `probe` again and again until it says `Ok`; fails with its last `Err` and the logs.
    pub(crate) async fn until<T>(
        &self,
        what: &dyn std::fmt::Display,
        probe: impl AsyncFnMut() -> Result<T, String>,
    ) -> T {
        until(what, || self.logs(), probe).await
    }
}

/// The operator's program.
pub(crate) fn operator() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_image-update-operator"))
}

/// Asks `probe` again and again until it says `Ok`; fails with its last `Err` and `logs`.
pub(crate) async fn until<T>(
    what: &dyn std::fmt::Display,
    logs: impl Fn() -> String,
    mut probe: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match probe().await {
            Ok(value) => return value,
            Err(last) => assert!(
                Instant::now() < deadline,
                "{what} did not come to be what it should; last seen: {last}\n{}",
                logs()
            ),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The shared API server, with the CRDs of the checkout and those of Argo CD.
pub(crate) async fn api_server() -> &'static ApiServer {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let server = ApiServer::shared()
        .await
        .expect("etcd and kube-apiserver start");
    INSTALLED
        .get_or_init(async || {
            let assets = Assets::locate().expect("there is a cache folder");
            let argocd = assets.argocd_crds().expect("the stack is built");
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("crds");
            for crds in [own, argocd] {
                let installed = server.install_crds(&crds).await;
                installed.expect("the CRDs can be installed");
            }
        })
        .await;
    server
}

/// How to address one of the two kinds.
pub(crate) fn resource(kind: &str) -> ApiResource {
    match kind {
        "ImageWatch" => ApiResource::erase::<ImageWatch>(&()),
        _ => ApiResource::erase::<ImageUpdatePolicy>(&()),
    }
}

/// A kustomization with one image.
pub(crate) fn kustomization(name: &str, tag: &str) -> String {
    format!(
        "# kept\nresources:\n- deployment.yaml\nimages:\n- name: {name}  # ours\n  newTag: {tag}\n"
    )
}

fn ready(
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
) -> (String, String, String) {
    let ready = conditions
        .iter()
        .find(|condition| condition.type_ == "Ready");
    ready
        .map(|ready| {
            (
                ready.status.clone(),
                ready.reason.clone(),
                ready.message.clone(),
            )
        })
        .unwrap_or_default()
}

/// Lays `over` on top of `base`, object by object.
fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}
