//! Renders a Helm chart by helm itself, and reads what it prints. Installs nothing: see
//! [`ApiServer::install`](crate::apiserver::ApiServer::install).

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::process::LogTail;
use crate::stack::{self, Assets};

/// Why there are no objects.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// helm is not there.
    #[error(transparent)]
    Stack(stack::Error),
    /// helm could not be run, or given its values.
    #[error("could not run helm")]
    Run(#[source] io::Error),
    /// helm does not take the values.
    #[error("helm does not render {}:\n{said}", chart.display())]
    Refused {
        /// The chart.
        chart: PathBuf,
        /// The end of what helm said.
        said: LogTail,
    },
    /// What helm printed is no YAML.
    #[error("what helm made of {} is no YAML", chart.display())]
    Syntax {
        /// The chart.
        chart: PathBuf,
        /// What the parser said.
        #[source]
        source: Box<serde_yaml::Error>,
    },
}

/// Runs helm with `values` in a file, and with no settings and no cluster of its caller's.
#[expect(clippy::disallowed_methods, reason = "charts are rendered by helm")]
pub fn helm(arguments: &[&str], values: &Value) -> Result<Output, Error> {
    let program = Assets::locate().and_then(|assets| assets.helm());
    let home = tempfile::tempdir().map_err(Error::Run)?;
    let file = home.path().join("values.yaml");
    // JSON is YAML.
    std::fs::write(&file, values.to_string()).map_err(Error::Run)?;
    Command::new(program.map_err(Error::Stack)?)
        .args(arguments)
        .arg("--values")
        .arg(&file)
        .env("HELM_CACHE_HOME", home.path())
        .env("HELM_CONFIG_HOME", home.path())
        .env("HELM_DATA_HOME", home.path())
        .env("KUBECONFIG", "/nonexistent")
        .output()
        .map_err(Error::Run)
}

/// The objects of a release of `chart` in `namespace`, in the order in which helm installs them.
pub fn render(
    chart: &Path,
    release: &str,
    namespace: &str,
    values: &Value,
) -> Result<Vec<Value>, Error> {
    let folder = chart.display().to_string();
    let arguments = ["template", release, &folder, "--namespace", namespace];
    let output = helm(&arguments, values)?;
    let chart = chart.to_owned();
    if !output.status.success() {
        let said = LogTail::of(&output.stderr);
        return Err(Error::Refused { chart, said });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    match serde_yaml::from_multiple::<Value>(&text) {
        Ok(objects) => Ok(objects.into_iter().filter(|it| !it.is_null()).collect()),
        Err(error) => Err(Error::Syntax {
            chart,
            source: Box::new(error),
        }),
    }
}
