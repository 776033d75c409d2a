//! The files of a policy: which they may be, and which of them is there.

use std::sync::Arc;

use super::{Files, TargetProblem};
use crate::argocd::{Application, SourceType};
use crate::remote::{RepoFolder, RepoPath};
use crate::target::manifests::Scope;

/// One target of a policy: the files it may be, in the order they are tried, and what they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The folder or file as the user wrote it, for messages.
    pub path: String,
    /// The files it may be; exactly one of them has to be there.
    pub files: Vec<RepoPath>,
    /// The folder whose files it is, or one file, where it may be several.
    pub folder: Option<RepoFolder>,
    /// What the file is.
    pub format: Format,
    /// The Application whose file it is, if it is one's.
    pub application: Option<Arc<Application>>,
    /// What the Application's source says of kustomize's images itself, for an override file: its list
    /// takes the place of the source's, so what is not repeated there is lost.
    pub source_images: Vec<String>,
}

impl Target {
    /// The Application, as `namespace/name`.
    pub fn application_name(&self) -> Option<String> {
        let application = self.application.as_ref()?;
        Some(format!("{}/{}", application.namespace, application.name))
    }
}

/// What a target's file is, and so where images stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The `images` of a kustomization.
    Kustomization,
    /// Keys of a Helm chart's values.
    HelmValues,
    /// The images of Kubernetes manifests in [`Target::folder`].
    Manifests(Scope),
    /// Values in [`Target::folder`] that are marked for an image, as Flux marks them.
    Markers,
    /// Overrides of an Application's source: `.argocd-source-<name>.yaml`, or the same fields of
    /// the Application itself. The file is made if it is missing.
    ArgocdSource(Overrides),
}

/// What an Application's overrides are about: it depends on what renders the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Overrides {
    /// `helm.parameters`.
    HelmParameters,
    /// `kustomize.images`.
    KustomizeImages,
    /// `plugin.env`.
    PluginEnvironment,
}

impl Overrides {
    /// The overrides that a source of this type takes; none for plain manifests.
    pub fn of(source_type: SourceType) -> Option<Self> {
        match source_type {
            SourceType::Helm => Some(Self::HelmParameters),
            SourceType::Kustomize => Some(Self::KustomizeImages),
            SourceType::Plugin => Some(Self::PluginEnvironment),
            SourceType::Directory => None,
        }
    }
}

impl Format {
    /// What users call such a file.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Kustomization => "kustomization",
            Self::HelmValues => "values file",
            Self::Manifests(_) | Self::Markers => "manifest",
            Self::ArgocdSource(_) => "override file",
        }
    }
}

/// The files of `target` that are there: all of a folder, else exactly one.
pub(super) fn locate<'f>(
    target: &Target,
    files: &Files<'f>,
) -> Result<Vec<(RepoPath, &'f [u8])>, TargetProblem> {
    let Some(folder) = &target.folder else {
        return locate_one(target, files).map(|file| vec![file]);
    };
    let is_there = |path: &RepoPath| folder.path() == Some(path) || folder.contains(path);
    let found: Vec<_> = files
        .iter()
        .filter(|(path, _)| is_there(path))
        .filter_map(|(path, content)| Some((path.clone(), (*content)?)))
        .collect();
    if found.is_empty() {
        return Err(TargetProblem::NotFound {
            path: target.path.clone(),
            format: target.format,
            tried: vec![format!("{folder}/**/*.yaml"), format!("{folder}/**/*.yml")],
        });
    }
    Ok(found)
}

fn locate_one<'f>(
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
        [] if matches!(target.format, Format::ArgocdSource(_)) && !target.files.is_empty() => {
            Ok((target.files[0].clone(), b""))
        }
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
