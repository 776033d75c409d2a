//! Finds the servers that `make stack` built. Builds nothing and downloads nothing.
//!
//! `tests/stack/build.sh` writes the same paths; change both together.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// The folder with the pins, `tests/stack` of the checkout this crate was compiled in.
const PINS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/stack");

/// How much of the pins' hash a folder's name carries, in hexadecimal digits.
const HASH_DIGITS: usize = 12;

/// A server of the test stack is not there.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was never built, or its pins changed since.
    #[error("{component} is not built for the versions pinned in tests/stack; run `make stack`")]
    NotBuilt {
        /// The folder of `tests/stack`.
        component: &'static str,
    },
    /// `KUBEBUILDER_ASSETS` is set and has not got it.
    #[error("KUBEBUILDER_ASSETS names {}, which has no {component}", folder.display())]
    NotAmongAssets {
        /// The program looked for.
        component: &'static str,
        /// The folder that the variable names.
        folder: PathBuf,
    },
    /// Neither `XDG_CACHE_HOME` nor `HOME` is set.
    #[error("no cache folder: neither XDG_CACHE_HOME nor HOME is set")]
    NoCache,
    /// The pins cannot be read.
    #[error("could not read {}", path.display())]
    Pins {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Where the servers are.
#[derive(Debug, Clone)]
pub struct Assets {
    pins: PathBuf,
    cache: PathBuf,
    kubebuilder: Option<PathBuf>,
    path: OsString,
}

impl Assets {
    /// Reads the places from the environment: `KUBEBUILDER_ASSETS`, `XDG_CACHE_HOME`, `HOME`.
    pub fn locate() -> Result<Self, Error> {
        let folder = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let cache = folder("XDG_CACHE_HOME")
            .or_else(|| folder("HOME").map(|home| home.join(".cache")))
            .ok_or(Error::NoCache)?;
        Ok(Self {
            pins: PINS.into(),
            cache: cache.join("image-update-operator/stack"),
            kubebuilder: folder("KUBEBUILDER_ASSETS"),
            path: std::env::var_os("PATH").unwrap_or_default(),
        })
    }

    /// The etcd server.
    pub fn etcd(&self) -> Result<PathBuf, Error> {
        self.kubernetes("etcd")
    }

    /// The Kubernetes API server.
    pub fn kube_apiserver(&self) -> Result<PathBuf, Error> {
        self.kubernetes("kube-apiserver")
    }

    /// The OCI distribution registry.
    pub fn registry(&self) -> Result<PathBuf, Error> {
        self.built("registry", "registry")
    }

    /// Helm.
    pub fn helm(&self) -> Result<PathBuf, Error> {
        self.built("helm", "helm")
    }

    /// Kustomize.
    pub fn kustomize(&self) -> Result<PathBuf, Error> {
        self.built("kustomize", "kustomize")
    }

    /// The checker of workflows.
    pub fn actionlint(&self) -> Result<PathBuf, Error> {
        self.built("actionlint", "actionlint")
    }

    /// Prometheus' tool for rules and metrics.
    pub fn promtool(&self) -> Result<PathBuf, Error> {
        self.built("promtool", "promtool")
    }

    /// The folder with Argo CD's three CRDs, one YAML file each.
    pub fn argocd_crds(&self) -> Result<PathBuf, Error> {
        self.built("argocd-crds", "complete")
            .map(|marker| marker.with_file_name("crds"))
    }

    /// The folder with the CRDs of the Prometheus operator that the chart has objects of.
    pub fn prometheus_operator_crds(&self) -> Result<PathBuf, Error> {
        self.built("prometheus-operator-crds", "complete")
            .map(|marker| marker.with_file_name("crds"))
    }

    /// kubectl: the machine's own if it has one, or the one that was built.
    pub fn kubectl(&self) -> Result<PathBuf, Error> {
        let folders = self
            .kubebuilder
            .iter()
            .cloned()
            .chain(std::env::split_paths(&self.path));
        folders
            .map(|folder| folder.join("kubectl"))
            .find(|path| path.is_file())
            .map_or_else(|| self.built("kubectl", "kubectl"), Ok)
    }

    fn kubernetes(&self, component: &'static str) -> Result<PathBuf, Error> {
        let Some(folder) = &self.kubebuilder else {
            return self.built(component, component);
        };
        let path = folder.join(component);
        if path.is_file() {
            Ok(path)
        } else {
            Err(Error::NotAmongAssets {
                component,
                folder: folder.clone(),
            })
        }
    }

    /// `<cache>/<component>-<version>-<hash>/<file>`. The hash alone decides; the version is for
    /// people.
    fn built(&self, component: &'static str, file: &str) -> Result<PathBuf, Error> {
        let prefix = format!("{component}-v");
        let suffix = format!("-{}", self.hash(component)?);
        let entries = fs::read_dir(&self.cache).map_err(|_| Error::NotBuilt { component })?;
        entries
            .filter_map(Result::ok)
            .filter(|entry| {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                name.starts_with(&prefix) && name.ends_with(&suffix)
            })
            .map(|entry| entry.path().join(file))
            .find(|path| path.is_file())
            .ok_or(Error::NotBuilt { component })
    }

    fn hash(&self, component: &str) -> Result<String, Error> {
        let folder = self.pins.join(component);
        let mut hash = Sha256::new();
        hash.update(read(&folder.join("go.mod"))?);
        hash.update(read(&folder.join("go.sum"))?);
        for optional in ["ldflags", "tags"] {
            let file = folder.join(optional);
            if file.exists() {
                hash.update(read(&file)?);
            }
        }
        let mut hex = hex(&hash.finalize());
        hex.truncate(HASH_DIGITS);
        Ok(hex)
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Pins {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_is_found_by_the_hash_of_its_pins() {
        let (_folder, assets) = assets("etcd-v3.6.8-dee2335317c6", "etcd");
        let found = assets.etcd().expect("the build is there");
        assert_eq!(found, assets.cache.join("etcd-v3.6.8-dee2335317c6/etcd"));
    }

    #[test]
    fn a_build_of_other_pins_is_not_found() {
        let (_folder, assets) = assets("etcd-v3.6.8-dee2335317c6", "etcd");
        fs::write(assets.pins.join("etcd/go.sum"), "other").expect("the pins can be changed");
        let error = assets.etcd().expect_err("the pins changed");
        assert!(error.to_string().ends_with("run `make stack`"), "{error}");
    }

    #[test]
    fn an_unfinished_build_is_not_found() {
        let (_folder, assets) = assets("etcd-v3.6.8-dee2335317c6", ".etcd.4711");
        assert!(matches!(
            assets.etcd(),
            Err(Error::NotBuilt { component: "etcd" })
        ));
    }

    #[test]
    fn kubebuilder_assets_come_first_and_must_be_complete() {
        let (folder, mut assets) = assets("etcd-v3.6.8-dee2335317c6", "etcd");
        let kubebuilder = folder.path().join("kubebuilder");
        fs::create_dir(&kubebuilder).expect("a folder");
        assets.kubebuilder = Some(kubebuilder.clone());
        assert!(matches!(
            assets.etcd(),
            Err(Error::NotAmongAssets {
                component: "etcd",
                ..
            })
        ));
        fs::write(kubebuilder.join("etcd"), "").expect("a file");
        assert_eq!(
            assets.etcd().expect("it is there"),
            kubebuilder.join("etcd")
        );
    }

    /// Pins of `go.mod` = "mod", `go.sum` = "sum", and a cache with one folder holding one file.
    fn assets(folder: &str, file: &str) -> (tempfile::TempDir, Assets) {
        let root = tempfile::tempdir().expect("a folder");
        let (pins, cache) = (root.path().join("pins"), root.path().join("cache"));
        fs::create_dir_all(pins.join("etcd")).expect("a folder");
        fs::write(pins.join("etcd/go.mod"), "mod").expect("a file");
        fs::write(pins.join("etcd/go.sum"), "sum").expect("a file");
        fs::create_dir_all(cache.join(folder)).expect("a folder");
        fs::write(cache.join(folder).join(file), "").expect("a file");
        (
            root,
            Assets {
                pins,
                cache,
                kubebuilder: None,
                path: OsString::new(),
            },
        )
    }
}
