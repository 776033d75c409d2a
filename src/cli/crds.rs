//! `crds`: prints the CustomResourceDefinitions.

use super::failure::Failure;
use super::output;
use crate::generate;

/// Prints both kinds as one YAML stream.
pub(super) fn run() -> Result<(), Failure> {
    let stream = generate::crds().iter().fold(String::new(), |stream, file| {
        stream + "---\n" + &file.content
    });
    output::write(stream.as_bytes())
}
