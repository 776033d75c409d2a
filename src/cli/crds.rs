//! `crds`: prints the CustomResourceDefinitions.

use std::io::Write as _;

use anyhow::Context as _;

use crate::generate;

/// Prints both kinds as one YAML stream.
pub(super) fn run() -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    for file in generate::crds() {
        write!(stdout, "---\n{}", file.content).context("could not write to standard output")?;
    }
    Ok(())
}
