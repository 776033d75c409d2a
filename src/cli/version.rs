//! `version`: prints the version.

use std::io::Write as _;

use anyhow::Context as _;

/// Prints the name and version.
pub(super) fn run() -> anyhow::Result<()> {
    let line = concat!("image-update-operator ", env!("CARGO_PKG_VERSION"), "\n");
    std::io::stdout()
        .write_all(line.as_bytes())
        .context("could not write to standard output")
}
