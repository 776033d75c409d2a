//! The files of a policy: which they may be, and which of them is there.

use super::{Files, TargetProblem};
use crate::remote::RepoPath;

/// One target of a policy: the files it may be, in the order they are tried, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The folder or file as the user wrote it, for messages.
    pub path: String,
    /// The files it may be; exactly one of them has to be there.
    pub files: Vec<RepoPath>,
    /// What the file is.
    pub format: Format,
}

/// What a target's file is, and so where images stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The `images` of a kustomization.
    Kustomization,
    /// Keys of a Helm chart's values.
    HelmValues,
}

impl Format {
    /// What users call such a file.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Kustomization => "kustomization",
            Self::HelmValues => "values file",
        }
    }
}

/// The one file of `target` that is there.
pub(super) fn locate<'f>(
    target: &Target,
    files: &Files<'f>,
) -> Result<(RepoPath, &'f [u8]), TargetProblem> {
    let content = |path| files.get(path).copied().flatten();
    let found: Vec<_> = target
        .files
        .iter()
        .filter_map(|path| content(path).map(|content| (path, content)))
        .collect();
    match found.as_slice() {
        [(path, content)] => Ok(((*path).clone(), content)),
        [] => Err(TargetProblem::NotFound {
            path: target.path.clone(),
            format: target.format,
            tried: target.files.iter().map(ToString::to_string).collect(),
        }),
        several => Err(TargetProblem::Ambiguous {
            path: target.path.clone(),
            format: target.format,
            found: several.iter().map(|(path, _)| path.to_string()).collect(),
        }),
    }
}
