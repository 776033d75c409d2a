//! `version`: prints the version.

use super::failure::Failure;
use super::output;

/// Prints the name and version.
pub(super) fn run() -> Result<(), Failure> {
    let line = concat!("image-update-operator ", env!("CARGO_PKG_VERSION"), "\n");
    output::write(line.as_bytes())
}
