//! A real Kubernetes API server, with its etcd, for one test process.
//!
//! It stores, validates, watches and authorizes like any cluster's. There is no controller
//! manager, no scheduler and no kubelet: nothing starts pods, and a deleted namespace stays.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::Request;
use axum::http::header::{HeaderName, HeaderValue, InvalidHeaderValue};
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::wait::{await_condition, conditions};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::process::{self, Child, Launch};
use crate::stack::{self, Assets};
use crate::tls;

use self::keys::Keys;

mod apply;
pub mod audit;
mod crds;
mod keys;
pub mod proxy;

/// How long etcd and the API server may each take to start. Two to three seconds are usual.
const START_LIMIT: Duration = Duration::from_mins(1);

/// How long the API server may take to serve a new CRD.
const ESTABLISH_LIMIT: Duration = Duration::from_secs(30);

/// How long one question after a starting server's health may take.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// The field manager of everything that the testkit applies.
const FIELD_MANAGER: &str = "image-update-testkit";

/// Why there is no API server, or why it did not do what the testkit asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The programs are not there.
    #[error(transparent)]
    Stack(stack::Error),
    /// A program did not run.
    #[error(transparent)]
    Process(process::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Tls(tls::Error),
    /// A file could not be read or written.
    #[error("could not use {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// kube does not accept the kubeconfig.
    #[error("the kubeconfig is not valid")]
    Kubeconfig(#[source] kube::config::KubeconfigError),
    /// A user's or group's name does not fit into a header.
    #[error("a user or group has a name that cannot be sent")]
    Impersonation(#[source] InvalidHeaderValue),
    /// The API server refused a request.
    #[error("the API server refused to {action}")]
    Api {
        /// What was asked for.
        action: &'static str,
        /// What the server said.
        #[source]
        source: kube::Error,
    },
    /// The API server refused an object.
    #[error("the API server does not take {kind} {name}")]
    Object {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What the server said.
        #[source]
        source: kube::Error,
    },
    /// etcd refused a request.
    #[error("etcd could not be compacted")]
    Etcd(#[source] reqwest::Error),
    /// A file with CRDs is no YAML.
    #[error("{} is not a file of CRDs", path.display())]
    CrdSyntax {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: Box<serde_yaml::Error>,
    },
    /// A document is no CRD: it has no name.
    #[error("{} has a document without metadata.name", path.display())]
    CrdName {
        /// The file.
        path: PathBuf,
    },
    /// The API server took a CRD and does not serve it.
    #[error("{name} was not established within {} s", ESTABLISH_LIMIT.as_secs())]
    CrdNotEstablished {
        /// The CRD.
        name: String,
    },
}

/// A running API server. It ends, and its data goes away, on drop or with the test process.
#[derive(Debug)]
pub struct ApiServer {
    // Before etcd, so that it is dropped first.
    process: Mutex<Child>,
    etcd: Child,
    etcd_url: String,
    launch: ApiServerLaunch,
    kubeconfig: PathBuf,
    audit_log: PathBuf,
}

impl ApiServer {
    /// The one API server of this test process, started by the first caller.
    ///
    /// Tests that share it must keep apart: see [`Self::namespace`]. A failure to start is
    /// remembered, so that not every test waits for it.
    pub async fn shared() -> Result<&'static Self, &'static Error> {
        static SHARED: OnceCell<Result<ApiServer, Error>> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await.as_ref()
    }

    /// Starts an API server of its own, for a test that restarts it or owns cluster-wide objects.
    pub async fn start() -> Result<Self, Error> {
        tls::install_provider();
        let assets = Assets::locate().map_err(Error::Stack)?;
        let etcd_program = assets.etcd().map_err(Error::Stack)?;
        let program = assets.kube_apiserver().map_err(Error::Stack)?;

        let start = async || start_etcd(&etcd_program).await;
        let (etcd, etcd_url) = process::with_fresh_ports(start, process::Error::port_taken)
            .await
            .map_err(Error::Process)?;

        // etcd's folder outlives a restart of the API server.
        let keys = Keys::write(etcd.scratch())?;
        let start = async || {
            let port = process::free_port().map_err(Error::Process)?;
            let launch = ApiServerLaunch {
                program: program.clone(),
                arguments: keys.arguments(&etcd_url, port),
                connection: keys.connection(port)?,
            };
            Ok((launch.start().await?, launch))
        };
        let port_taken = |error: &_| matches!(error, Error::Process(error) if error.port_taken());
        let (process, launch) = process::with_fresh_ports(start, port_taken).await?;

        Ok(Self {
            process: Mutex::new(process),
            etcd,
            etcd_url,
            launch,
            kubeconfig: keys.kubeconfig(),
            audit_log: keys.audit_log(),
        })
    }

    /// A new client with every right.
    ///
    /// Not shared: a client's connection belongs to the runtime, so to the test, that made it.
    pub async fn client(&self) -> Result<Client, Error> {
        self.launch.client(Vec::new()).await
    }

    /// A new client that acts as `user` of `groups`, with the rights that RBAC gives them.
    ///
    /// A service account is the user `system:serviceaccount:<namespace>:<name>`.
    pub async fn client_as(&self, user: &str, groups: &[&str]) -> Result<Client, Error> {
        let mut headers = vec![impersonate("impersonate-user", user)?];
        for group in groups {
            headers.push(impersonate("impersonate-group", group)?);
        }
        self.launch.client(headers).await
    }

    /// A kubeconfig file with every right, for programs.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The text of a kubeconfig for who has `token`, such as that of a service account, and works in
    /// `namespace`.
    pub fn kubeconfig_with_token(&self, token: &str, namespace: &str) -> Result<String, Error> {
        let unreadable = |source| Error::File {
            path: self.kubeconfig.clone(),
            source,
        };
        let text = std::fs::read_to_string(&self.kubeconfig).map_err(unreadable)?;
        let mut kubeconfig: Value = serde_json::from_str(&text)
            .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        kubeconfig["users"][0]["user"] = json!({ "token": token });
        kubeconfig["contexts"][0]["context"]["namespace"] = json!(namespace);
        Ok(kubeconfig.to_string())
    }

    /// What `user` asked the API server for until now, and what it was answered. Only service
    /// accounts with a token of their own are recorded.
    pub fn audited(&self, user: &str) -> Result<Vec<audit::Request>, Error> {
        audit::read(&self.audit_log, user)
    }

    /// The HTTP status of each request that `user` has been answered, be it about objects or about
    /// what there is. A watch is one request, answered when it begins.
    pub fn answers(&self, user: &str) -> Result<Vec<u64>, Error> {
        audit::answers(&self.audit_log, user)
    }

    /// The processor time that the API server and etcd have taken so far.
    ///
    /// # Errors
    ///
    /// If the kernel does not say, as on anything but Linux.
    pub fn processor_time(&self) -> io::Result<Duration> {
        Ok(self.process().processor_time()? + self.etcd.processor_time()?)
    }

    /// The process ids of the API server and of etcd.
    pub fn pids(&self) -> [u32; 2] {
        [self.process().pid(), self.etcd.pid()]
    }

    /// Kills the API server and starts it again, at the same address with the same data.
    pub async fn restart(&self) -> Result<(), Error> {
        self.process().kill();
        let started = self.launch.start().await?;
        *self.process() = started;
        Ok(())
    }

    /// Has etcd forget every version of an object but the last, so that no watch can be gone on
    /// with from before.
    pub async fn compact(&self) -> Result<(), Error> {
        let ask = async |path: &str, body: Value| {
            let http = reqwest::Client::builder().no_proxy().build()?;
            let answer = http.post(format!("{}{path}", self.etcd_url));
            let answer = answer.body(body.to_string()).send().await?;
            answer.error_for_status()?.json::<Value>().await
        };
        // A key of one zero byte: what counts is the revision that comes with any answer.
        let found = ask("/v3/kv/range", json!({"key": "AA=="})).await;
        let revision = found.map_err(Error::Etcd)?["header"]["revision"].clone();
        let body = json!({"revision": revision, "physical": true});
        ask("/v3/kv/compaction", body).await.map_err(Error::Etcd)?;
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Child> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Creates a namespace whose name begins with `prefix` and is used by nobody else.
    pub async fn namespace(&self, prefix: &str) -> Result<String, Error> {
        let generate_name = Some(format!("{prefix}-"));
        let metadata = ObjectMeta {
            generate_name,
            ..ObjectMeta::default()
        };
        let namespace = Namespace {
            metadata,
            ..Namespace::default()
        };
        let created = Api::<Namespace>::all(self.client().await?)
            .create(&PostParams::default(), &namespace)
            .await
            .map_err(|source| Error::Api {
                action: "create a namespace",
                source,
            })?;
        Ok(created.metadata.name.unwrap_or_default())
    }

    /// Applies the CRDs of every `*.yaml` file of `folder`, and waits until they are served.
    /// Returns their names, sorted.
    pub async fn install_crds(&self, folder: &Path) -> Result<Vec<String>, Error> {
        let crds = Api::<CustomResourceDefinition>::all(self.client().await?);
        let mut names = Vec::new();
        for (name, crd) in crds::read(folder)? {
            let params = PatchParams::apply(FIELD_MANAGER).force();
            crds.patch(&name, &params, &Patch::Apply(&crd))
                .await
                .map_err(|source| Error::Api {
                    action: "apply a CRD",
                    source,
                })?;
            names.push(name);
        }
        for name in &names {
            self.established(name).await?;
        }
        names.sort();
        Ok(names)
    }

    /// Waits until a CRD is served.
    async fn established(&self, name: &str) -> Result<(), Error> {
        let crds = Api::<CustomResourceDefinition>::all(self.client().await?);
        let established = await_condition(crds, name, conditions::is_crd_established());
        match tokio::time::timeout(ESTABLISH_LIMIT, established).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Error::CrdNotEstablished {
                name: name.to_owned(),
            }),
        }
    }
}

/// What starts the API server, the first time and every other.
#[derive(Debug)]
struct ApiServerLaunch {
    program: PathBuf,
    arguments: Vec<String>,
    /// Who we are to the server that `arguments` start.
    connection: Kubeconfig,
}

impl ApiServerLaunch {
    async fn start(&self) -> Result<Child, Error> {
        let client = self.client(Vec::new()).await?;
        let mut process = Launch::new("kube-apiserver", self.program.clone())
            .and_then(|launch| launch.args(self.arguments.iter().cloned()).spawn())
            .map_err(Error::Process)?;
        process
            .ready(START_LIMIT, async || is_ready(&client).await)
            .await
            .map_err(Error::Process)?;
        Ok(process)
    }

    async fn client(&self, headers: Vec<(HeaderName, HeaderValue)>) -> Result<Client, Error> {
        let options = KubeConfigOptions::default();
        let mut config = Config::from_custom_kubeconfig(self.connection.clone(), &options)
            .await
            .map_err(Error::Kubeconfig)?;
        config.headers = headers;
        Client::try_from(config).map_err(|source| Error::Api {
            action: "be talked to",
            source,
        })
    }
}

/// Whether every start-up hook ran, among them the one that makes RBAC's own roles.
async fn is_ready(client: &Client) -> bool {
    let request = Request::get("/readyz")
        .body(Vec::new())
        .expect("a constant request is valid");
    let answer = tokio::time::timeout(PROBE_LIMIT, client.request_text(request)).await;
    matches!(answer, Ok(Ok(_)))
}

/// Starts etcd without its syncs to disk, and returns it with its address.
async fn start_etcd(program: &Path) -> Result<(Child, String), process::Error> {
    let client_url = format!("http://{}:{}", Ipv4Addr::LOCALHOST, process::free_port()?);
    let peer_url = format!("http://{}:{}", Ipv4Addr::LOCALHOST, process::free_port()?);
    let launch = Launch::new("etcd", program.to_owned())?;
    let data = launch.scratch().join("data");
    let mut etcd = launch
        .args([
            format!("--data-dir={}", data.display()),
            format!("--listen-client-urls={client_url}"),
            format!("--advertise-client-urls={client_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
            "--unsafe-no-fsync".into(),
            "--log-level=warn".into(),
        ])
        .spawn()?;
    let http = reqwest::Client::builder()
        .no_proxy()
        .timeout(PROBE_LIMIT)
        .build();
    let http = http.expect("a client without special settings can be built");
    let health = format!("{client_url}/health");
    let healthy = async || {
        http.get(&health)
            .send()
            .await
            .is_ok_and(|a| a.status().is_success())
    };
    etcd.ready(START_LIMIT, healthy).await?;
    Ok((etcd, client_url))
}

fn impersonate(header: &'static str, name: &str) -> Result<(HeaderName, HeaderValue), Error> {
    let value = HeaderValue::from_str(name).map_err(Error::Impersonation)?;
    Ok((HeaderName::from_static(header), value))
}
