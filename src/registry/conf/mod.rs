//! `registries.conf`, the old updater's file about registries: held, followed, applied to questions.
//!
//! A file that can't be read when the operator starts ends it; one that breaks later changes
//! nothing. Credentials are looked up when they are needed: environment variables and programs
//! here, Secrets by whoever has a cluster.

mod credential;

use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use image_update_core::image::Repository;
use image_update_core::registries_conf::{MAX_BYTES, Problems, RegistriesConf, Registry, Warning};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::access::Access;
use credential::Cached;
pub use credential::{CredentialError, Environment, Source};

/// How often the file is looked at. The kubelet takes up to two minutes to bring a changed
/// `ConfigMap`.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The largest file with certificates.
const MAX_CERTIFICATE_BYTES: usize = 1024 * 1024;

/// Registries as a file has them.
pub struct Registries {
    path: Option<PathBuf>,
    environment: Environment,
    /// Whether programs may be run for credentials.
    runs_programs: bool,
    read: RwLock<Arc<ReadFile>>,
    cached: Mutex<Cached>,
}

/// A file that was read.
#[derive(Default)]
struct ReadFile {
    bytes: Vec<u8>,
    conf: RegistriesConf,
    /// The content of each `ca_file`.
    authorities: BTreeMap<PathBuf, Vec<u8>>,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It can't be read.
    #[error("could not read {path}")]
    Read {
        /// The file, or one that it names.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is too large.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// The file, or one that it names.
        path: PathBuf,
        /// What it may have.
        limit: usize,
    },
    /// It says something that can't be used.
    #[error("{path}: {problems}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Everything that is wrong.
        problems: Problems,
    },
}

impl Registries {
    /// No file: every registry is asked by its name.
    pub fn none(environment: Environment) -> Self {
        Self {
            path: None,
            environment,
            runs_programs: false,
            read: RwLock::default(),
            cached: Mutex::default(),
        }
    }

    /// Reads a file. With `runs_programs` the programs that its `ext:` credentials name are run.
    pub fn load(
        path: &Path,
        environment: Environment,
        runs_programs: bool,
    ) -> Result<Self, LoadError> {
        let read = ReadFile::of(path)?;
        for warning in read.warnings() {
            warn!(file = %path.display(), "{warning}");
        }
        Ok(Self {
            path: Some(path.to_owned()),
            runs_programs,
            read: RwLock::new(Arc::new(read)),
            ..Self::none(environment)
        })
    }

    /// Looks at the file again and again until `stop`; a good one takes the place of the last.
    pub async fn follow(&self, stop: CancellationToken) {
        let Some(path) = &self.path else {
            return stop.cancelled().await;
        };
        let mut told = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let error = match self.reload() {
                Ok(false) => continue,
                Ok(true) => {
                    info!(file = %path.display(), "Read the changed file of registries");
                    None
                }
                Err(error) => Some(error.to_string()),
            };
            // Once, not at every look.
            if error != told
                && let Some(error) = &error
            {
                warn!(
                    error,
                    "Could not read the changed file of registries; the last good one stands"
                );
            }
            told = error;
        }
    }

    /// Reads the file if it has changed, and says so. After an error the last good one stands.
    pub fn reload(&self) -> Result<bool, LoadError> {
        let Some(path) = &self.path else {
            return Ok(false);
        };
        if read_bounded(path, MAX_BYTES)? == self.read().bytes {
            return Ok(false);
        }
        let read = Arc::new(ReadFile::of(path)?);
        for warning in read.warnings() {
            warn!(file = %path.display(), "{warning}");
        }
        *self.read.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(true)
    }

    /// What the file says about a repository.
    pub fn find(&self, repository: &Repository) -> Option<Arc<Registry>> {
        let found = self.read().conf.find(repository).cloned();
        found.map(Arc::new)
    }

    /// Has `access` ask where the file says. What is said in `access` already goes before: its
    /// authorities stay, and it is no less insecure.
    pub fn apply(&self, registry: Arc<Registry>, access: &mut Access) {
        access.insecure |= registry.insecure;
        if access.ca_pem.is_none() {
            let read = self.read();
            let file = registry.ca_file.as_ref();
            let file = file.and_then(|path| read.authorities.get(path));
            let data = registry.ca_data.as_ref().map(String::as_bytes);
            let authorities = [file.map(Vec::as_slice), data];
            let authorities: Vec<&[u8]> = authorities.into_iter().flatten().collect();
            access.ca_pem = (!authorities.is_empty()).then(|| authorities.join(&b"\n"[..]));
        }
        access.configured = Some(registry);
    }

    fn read(&self) -> Arc<ReadFile> {
        Arc::clone(&self.read.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ReadFile {
    fn of(path: &Path) -> Result<Self, LoadError> {
        let bytes = read_bounded(path, MAX_BYTES)?;
        let conf = RegistriesConf::parse(&bytes).map_err(|problems| LoadError::Invalid {
            path: path.to_owned(),
            problems,
        })?;
        let files = conf.registries.iter().filter_map(|it| it.ca_file.clone());
        let authorities = files.map(|path| {
            let bytes = read_bounded(&path, MAX_CERTIFICATE_BYTES)?;
            Ok((path, bytes))
        });
        Ok(Self {
            authorities: authorities.collect::<Result<_, _>>()?,
            bytes,
            conf,
        })
    }

    fn warnings(&self) -> impl Iterator<Item = &Warning> {
        self.conf.warnings.iter()
    }
}

fn read_bounded(path: &Path, limit: usize) -> Result<Vec<u8>, LoadError> {
    let fail = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(fail)?;
    let mut file = file.take(limit as u64 + 1);
    file.read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() > limit {
        return Err(LoadError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

impl std::fmt::Debug for Registries {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = formatter.debug_struct("Registries");
        shown.field("path", &self.path).finish_non_exhaustive()
    }
}
