//! `kubectl get`, so that the demo shows what a user sees.

use std::path::Path;

use anyhow::Context as _;
use image_update_testkit::stack::Assets;

use crate::stage::NAMESPACE;

/// What `kubectl get` prints of all objects of a kind.
pub(crate) async fn get(kubeconfig: &Path, plural: &str) -> anyhow::Result<String> {
    let output = tokio::process::Command::new(Assets::locate()?.kubectl()?)
        .args(["--namespace", NAMESPACE, "get", plural])
        .env("KUBECONFIG", kubeconfig)
        .output()
        .await
        .context("run kubectl")?;
    anyhow::ensure!(
        output.status.success(),
        "kubectl failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).context("read what kubectl says")
}
