//! A real OCI distribution registry on loopback, and a way to push tiny images to it.
//!
//! It behaves as registries should. For one that does not, see [`crate::faulty_registry`].

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::process::{self, Child, Launch};
use crate::stack::{self, Assets};
use crate::tls::{self, Authority, Certified};
use token_server::{ISSUER, SERVICE, TokenServer};

pub use self::image::PushOptions;

mod image;
mod token_server;

/// How long the registry may take to start. A fifth of a second is usual.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);

/// The work factor of the stored password: the least that bcrypt allows.
const PASSWORD_COST: u32 = 4;

/// Why there is no registry, or why it did not do what the testkit asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The program is not there.
    #[error(transparent)]
    Stack(stack::Error),
    /// The program did not run.
    #[error(transparent)]
    Process(process::Error),
    /// A certificate could not be made.
    #[error(transparent)]
    Tls(tls::Error),
    /// A file could not be written.
    #[error("could not write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The password is one that bcrypt cannot take.
    #[error("could not hash the password")]
    Password(#[source] bcrypt::BcryptError),
    /// The token server has no port.
    #[error("could not listen on loopback")]
    Listen(#[source] io::Error),
    /// The key that signs tokens could not be made or used.
    #[error("could not sign a token")]
    SigningKey,
    /// The client could not be made.
    #[error("could not make an HTTP client")]
    Client(#[source] reqwest::Error),
    /// The registry did not answer.
    #[error("could not {action}")]
    Request {
        /// What was asked for.
        action: &'static str,
        /// What went wrong.
        #[source]
        source: reqwest::Error,
    },
    /// The registry answered no.
    #[error("the registry answered {status} when asked to {action}")]
    Refused {
        /// What was asked for.
        action: &'static str,
        /// The answer.
        status: StatusCode,
    },
    /// The registry began an upload and did not say where it continues.
    #[error("the registry began an upload without a usable Location")]
    UploadLocation,
}

/// What the registry is to be like.
#[derive(Debug, Default)]
pub struct Builder<'a> {
    login: Option<Login>,
    has_token_server: bool,
    authority: Option<&'a Authority>,
}

#[derive(Clone)]
struct Login {
    user: String,
    password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { user, password: _ } = self;
        formatter
            .debug_struct("Login")
            .field("user", user)
            .finish_non_exhaustive()
    }
}

impl<'a> Builder<'a> {
    /// Demands basic authentication with this user and password for everything.
    #[must_use]
    pub fn htpasswd(mut self, user: &str, password: &str) -> Self {
        self.login = Some(Login {
            user: user.to_owned(),
            password: password.to_owned(),
        });
        self
    }

    /// Demands a token, which its token server gives this user.
    #[must_use]
    pub fn token_server(self, user: &str, password: &str) -> Self {
        Self {
            has_token_server: true,
            ..self.htpasswd(user, password)
        }
    }

    /// Serves HTTPS only, with a certificate that `authority` signs.
    #[must_use]
    pub fn tls(mut self, authority: &'a Authority) -> Self {
        self.authority = Some(authority);
        self
    }

    /// Starts the registry.
    pub async fn start(self) -> Result<Registry, Error> {
        tls::install_provider();
        let program = Assets::locate()
            .and_then(|assets| assets.registry())
            .map_err(Error::Stack)?;
        let certified = match self.authority {
            Some(authority) => Some(
                authority
                    .issue(&["127.0.0.1", "localhost"])
                    .map_err(Error::Tls)?,
            ),
            None => None,
        };
        let http = self.client()?;
        let tokens = match self.login.clone().filter(|_| self.has_token_server) {
            Some(login) => Some(TokenServer::start(login).await?),
            None => None,
        };
        let start = async || {
            let tokens = tokens.as_ref();
            self.launch(&program, certified.as_ref(), tokens, &http)
                .await
        };
        let port_taken = |error: &_| matches!(error, Error::Process(error) if error.port_taken());
        let (process, port) = process::with_fresh_ports(start, port_taken).await?;
        let scheme = scheme(self.authority.is_some());
        Ok(Registry {
            process,
            port,
            scheme,
            login: self.login,
            tokens,
            http,
        })
    }

    fn client(&self) -> Result<reqwest::Client, Error> {
        let mut client = reqwest::Client::builder()
            .no_proxy()
            .timeout(REQUEST_LIMIT)
            // A kept connection belongs to one test's runtime; the registry may serve several.
            .pool_max_idle_per_host(0);
        if let Some(authority) = self.authority {
            let root = reqwest::Certificate::from_pem(authority.pem().as_bytes());
            client = client.tls_certs_only([root.map_err(Error::Client)?]);
        }
        client.build().map_err(Error::Client)
    }

    async fn launch(
        &self,
        program: &Path,
        certified: Option<&Certified>,
        tokens: Option<&TokenServer>,
        http: &reqwest::Client,
    ) -> Result<(Child, u16), Error> {
        let port = process::free_port().map_err(Error::Process)?;
        let launch = Launch::new("registry", program.to_owned()).map_err(Error::Process)?;
        let configuration = self.configure(launch.scratch(), certified, tokens, port)?;
        let mut process = launch
            .args(["serve".to_owned(), configuration.display().to_string()])
            // The registry would send its traces to a collector that is not there.
            .env("OTEL_TRACES_EXPORTER", "none")
            .spawn()
            .map_err(Error::Process)?;
        let base = format!("{}://127.0.0.1:{port}/v2/", scheme(certified.is_some()));
        // 401 is the right answer to nobody.
        let answers = async || http.get(&base).send().await.is_ok();
        process
            .ready(START_LIMIT, answers)
            .await
            .map_err(Error::Process)?;
        Ok((process, port))
    }

    /// Writes the registry's configuration, and the files that it names, to `folder`.
    fn configure(
        &self,
        folder: &Path,
        certified: Option<&Certified>,
        tokens: Option<&TokenServer>,
        port: u16,
    ) -> Result<PathBuf, Error> {
        let mut http = json!({ "addr": format!("127.0.0.1:{port}") });
        if let Some(Certified { certificate, key }) = certified {
            http["tls"] = json!({
                "certificate": write(folder, "server.crt", certificate)?,
                "key": write(folder, "server.key", key)?,
            });
        }
        let mut configuration = json!({
            "version": "0.1",
            "log": { "level": "warn", "accesslog": { "disabled": true } },
            "storage": { "inmemory": {}, "delete": { "enabled": true } },
            "http": http,
        });
        if let Some(tokens) = tokens {
            configuration["auth"] = json!({ "token": {
                "realm": tokens.realm(),
                "service": SERVICE,
                "issuer": ISSUER,
                "jwks": write(folder, "keys.json", &tokens.key_set())?,
            } });
        } else if let Some(Login { user, password }) = &self.login {
            let hash = bcrypt::hash(password, PASSWORD_COST).map_err(Error::Password)?;
            let path = write(folder, "htpasswd", &format!("{user}:{hash}\n"))?;
            configuration["auth"] = json!({ "htpasswd": { "realm": "test", "path": path } });
        }
        // JSON is YAML, which is what the registry reads.
        write(folder, "registry.yaml", &configuration.to_string())
    }
}

/// A running registry. It ends, and its images go away, on drop or with the test process.
#[derive(Debug)]
pub struct Registry {
    process: Child,
    port: u16,
    scheme: &'static str,
    login: Option<Login>,
    tokens: Option<TokenServer>,
    http: reqwest::Client,
}

impl Registry {
    /// Starts an open registry that speaks plain HTTP.
    pub async fn start() -> Result<Self, Error> {
        Self::builder().start().await
    }

    /// Prepares a registry that wants a login, or speaks HTTPS.
    pub fn builder<'a>() -> Builder<'a> {
        Builder::default()
    }

    /// `127.0.0.1:<port>`, the first part of a reference.
    pub fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The process id of the registry.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The tags of a repository, sorted as the registry sorts them.
    pub async fn tags(&self, repository: &str) -> Result<Vec<String>, Error> {
        let action = "list tags";
        let response = self
            .send(action, self.request(Method::GET, repository, "tags/list"))
            .await?;
        let list = response.json::<Value>().await;
        let list = list.map_err(|source| Error::Request { action, source })?;
        // A repository that lost its last tag has `null` here.
        let tags = list["tags"].as_array().into_iter().flatten();
        Ok(tags
            .filter_map(Value::as_str)
            .map(ToOwned::to_owned)
            .collect())
    }

    /// Removes a tag; what it named stays, under its digest.
    pub async fn delete_tag(&self, repository: &str, tag: &str) -> Result<(), Error> {
        self.delete_manifest(repository, tag).await
    }

    /// Removes a manifest by its digest, and every tag that names it.
    pub async fn delete_manifest(&self, repository: &str, digest: &str) -> Result<(), Error> {
        let request = self.request(Method::DELETE, repository, &format!("manifests/{digest}"));
        self.send("delete a manifest", request).await.map(drop)
    }

    /// How many tokens clients were given; none without a token server.
    pub fn token_count(&self) -> usize {
        self.tokens.as_ref().map_or(0, TokenServer::given)
    }

    /// What clients asked tokens for, such as `repository:org/app:pull`.
    pub fn token_scopes(&self) -> Vec<String> {
        self.tokens
            .as_ref()
            .map(TokenServer::scopes)
            .unwrap_or_default()
    }

    fn request(&self, method: Method, repository: &str, path: &str) -> RequestBuilder {
        let url = format!("{}://{}/v2/{repository}/{path}", self.scheme, self.host());
        self.authorize(self.http.request(method, url), repository)
    }

    fn authorize(&self, request: RequestBuilder, repository: &str) -> RequestBuilder {
        match (&self.tokens, &self.login) {
            (Some(tokens), _) => match tokens.pass(repository) {
                Ok(token) => request.bearer_auth(token),
                // Then the registry refuses, which is told.
                Err(_) => request,
            },
            (None, Some(Login { user, password })) => request.basic_auth(user, Some(password)),
            (None, None) => request,
        }
    }

    async fn send(&self, action: &'static str, request: RequestBuilder) -> Result<Response, Error> {
        let response = request
            .send()
            .await
            .map_err(|source| Error::Request { action, source })?;
        let status = response.status();
        if status.is_success() {
            Ok(response)
        } else {
            Err(Error::Refused { action, status })
        }
    }
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

/// Writes a file and returns its path.
fn write(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = folder.join(name);
    match fs::write(&path, text) {
        Ok(()) => Ok(path),
        Err(source) => Err(Error::File { path, source }),
    }
}
