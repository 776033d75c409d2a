//! `crds`: prints the CustomResourceDefinitions.

use std::io::Write as _;

use anyhow::Context as _;

use crate::generate;

/// Prints both kinds as one YAML stream.
pub(super) fn run() -> anyhow::Result<()> {
    let text: String = generate::crds()
        .into_iter()
        .map(|file| format!("---\n{}", file.content))
        .collect();
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("could not write to standard output")
}
