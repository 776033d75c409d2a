//! Two policies that write the same field of the same target: the older one goes on. Pure.

use std::collections::BTreeSet;
use std::sync::Arc;

use image_update_core::plan::{Format, Overrides, Target};
use image_update_core::remote::RepoFolder;
use kube::ResourceExt as _;

use super::destinations::{self, Destination, Selection};
use crate::api::v1alpha1::{
    HelmImage, ImageSpec, ImageUpdatePolicy, PluginImage, TargetSpec, annotations,
};
use crate::api::validate::{self, Reach};
use crate::controller::applications::Known;
use crate::controller::context::{Context, GuardedPolicy};
use crate::controller::error::Error;
use crate::controller::scope::ApplicationScope;
use crate::controller::status::names;

/// A field of a target.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Field {
    /// The remote and its branch, or the Application.
    place: String,
    /// The file; a folder ends with a slash, and stands for all files below it.
    path: String,
    name: String,
}

impl Field {
    /// The same field of every folder that the path is in, and of the path itself as one.
    fn in_folders(&self) -> impl Iterator<Item = Self> {
        let ends = self
            .path
            .match_indices('/')
            .map(|(at, _)| &self.path[..=at]);
        let itself = format!("{}/", self.path);
        let folders = ends.map(str::to_owned).chain([itself, "/".to_owned()]);
        folders.map(|path| Self {
            path,
            ..self.clone()
        })
    }
}

/// Where fields are, to tell quickly what is elsewhere: a thousand policies may write to one
/// repository.
struct Places {
    /// Files and folders, and all folders above them.
    above: BTreeSet<String>,
    /// Folders.
    folders: BTreeSet<String>,
}

impl Places {
    fn of(fields: &BTreeSet<Field>) -> Self {
        let paths = fields.iter().map(|field| field.path.as_str());
        let folders = paths.clone().filter_map(|path| path.strip_suffix('/'));
        Self {
            above: paths
                .flat_map(|path| with_folders(path.trim_end_matches('/')))
                .collect(),
            folders: folders.map(str::to_owned).collect(),
        }
    }

    /// Whether a target may be one of them, or in one, or have one in it.
    fn may_meet(&self, target: &TargetSpec) -> bool {
        let path = validate::from_root(target.path().unwrap_or_default());
        self.above.contains(path) || with_folders(path).any(|path| self.folders.contains(&path))
    }
}

/// A path and the folders that it is in, up to the root, which is empty.
fn with_folders(path: &str) -> impl Iterator<Item = String> {
    let ends = path.match_indices('/').map(|(at, _)| &path[..at]);
    ends.chain([path, ""]).map(str::to_owned)
}

/// The policies that may write where `selection` does.
pub(super) fn rivals(selection: &Selection, context: &Context) -> Vec<Arc<GuardedPolicy>> {
    let keys = selection.application_keys();
    let mut rivals = context.policy_index.writing(remotes(selection));
    rivals.append(&mut context.policy_index.selecting(keys));
    rivals
        .iter()
        .filter_map(|key| context.policy(key))
        .collect()
}

/// Fails if an older one of the `rivals` writes a field that `policy` writes too.
///
/// `applications` are those that the policy may select: where it meets others is among them.
pub(super) fn check(
    policy: &ImageUpdatePolicy,
    selection: &Selection,
    applications: &[Arc<Known>],
    scope: &ApplicationScope,
    rivals: &[Arc<GuardedPolicy>],
) -> Result<(), Error> {
    let ours = fields(&policy.spec.images, selection);
    let places = Places::of(&ours);
    let remotes: BTreeSet<String> = remotes(selection).collect();
    let own: BTreeSet<(&str, &str)> = selection.application_keys().collect();
    let is_own = |known: &&Arc<Known>| own.contains(&known.key());
    let own_applications: Vec<&Arc<Known>> = applications.iter().filter(is_own).collect();
    for other in rivals.iter().filter_map(|other| other.0.as_ref().ok()) {
        // The cheap comparisons come first: there may be many of one repository.
        let is_suspended = annotations::is_suspended(&other.metadata, other.spec.suspend);
        if is_suspended || !is_older(other, policy) {
            continue;
        }
        let reach = scope.reach(&other.metadata);
        let may_meet = match &other.spec.write_back.git {
            Some(git) if other.spec.applications.is_empty() => {
                let repository = git.repository.as_ref();
                repository.is_some_and(|repository| remotes.contains(repository))
                    && git.targets.iter().any(|target| places.may_meet(target))
            }
            Some(_) | None => selects_one(other, reach, &own_applications),
        };
        if !may_meet {
            continue;
        }
        let Ok(model) = validate::image_update_policy(&other.spec) else {
            continue;
        };
        let Ok(theirs) = destinations::select(&model, reach, applications, &scope.argocd) else {
            continue;
        };
        let theirs = fields(&other.spec.images, &theirs);
        if let Some(shared) = shared(&ours, &theirs) {
            return Err(Error::Conflict {
                holder: describe(other, policy),
                image: shared.name.clone(),
                path: shared.path.clone(),
            });
        }
    }
    Ok(())
}

/// A field that both have, be it in a folder of the other.
fn shared<'a>(ours: &'a BTreeSet<Field>, theirs: &BTreeSet<Field>) -> Option<&'a Field> {
    let is_in = |field: &Field, others: &BTreeSet<Field>| {
        others.contains(field) || field.in_folders().any(|folder| others.contains(&folder))
    };
    if let Some(field) = ours.iter().find(|field| is_in(field, theirs)) {
        return Some(field);
    }
    let folder_of = |field: &Field| field.in_folders().find_map(|folder| ours.get(&folder));
    theirs.iter().find_map(folder_of)
}

fn selects_one(other: &ImageUpdatePolicy, reach: Reach<'_>, applications: &[&Arc<Known>]) -> bool {
    applications
        .iter()
        .any(|known| validate::selects(&other.spec, reach, known.key(), &known.labels))
}

fn remotes(selection: &Selection) -> impl Iterator<Item = String> {
    selection
        .destinations
        .iter()
        .filter_map(|destination| match destination {
            Destination::Git(git) => Some(git.url.to_string()),
            Destination::Application { .. } => None,
        })
}

/// Everything that `images` take of the targets of a selection.
fn fields(images: &[ImageSpec], selection: &Selection) -> BTreeSet<Field> {
    let mut fields = BTreeSet::new();
    for destination in &selection.destinations {
        let place = destination.name();
        for target in destination.targets() {
            let names = images.iter().flat_map(|image| names_in(image, target));
            fields.extend(names.map(|name| Field {
                place: place.clone(),
                path: path_of(target),
                name,
            }));
        }
    }
    fields
}

fn path_of(target: &Target) -> String {
    match target.folder.as_ref().map(RepoFolder::path) {
        Some(Some(folder)) => format!("{folder}/"),
        Some(None) => "/".to_owned(),
        // The first stands for all that it may be.
        None => {
            let first = target.files.first();
            first.map(ToString::to_string).unwrap_or_default()
        }
    }
}

/// What an image takes of a file: the name of an entry, keys, or variables.
fn names_in(image: &ImageSpec, target: &Target) -> Vec<String> {
    let helm = |helm: &HelmImage| [helm.name.clone(), helm.tag.clone(), helm.spec.clone()];
    let plugin = |it: &PluginImage| [it.name.clone(), it.tag.clone(), it.spec.clone()];
    match target.format {
        Format::Kustomization | Format::ArgocdSource(Overrides::KustomizeImages) => {
            entry_name(image).into_iter().collect()
        }
        Format::Manifests(_) => {
            let name = source_name(image);
            name.map(|name| format!("image {name}"))
                .into_iter()
                .collect()
        }
        Format::Markers => vec![format!("marker {}", image.alias)],
        Format::HelmValues | Format::ArgocdSource(Overrides::HelmParameters) => {
            image.helm.iter().flat_map(helm).flatten().collect()
        }
        Format::ArgocdSource(Overrides::PluginEnvironment) => {
            image.plugin.iter().flat_map(plugin).flatten().collect()
        }
    }
}

/// Whether `other` was there before `policy`; of two made in the same second, the first by name.
fn is_older(other: &ImageUpdatePolicy, policy: &ImageUpdatePolicy) -> bool {
    let age = |policy: &ImageUpdatePolicy| policy.creation_timestamp().map(|time| time.0);
    (age(other), names(&other.metadata)) < (age(policy), names(&policy.metadata))
}

/// Only a policy of the same namespace is named: who else is in the cluster is nobody's business.
fn describe(other: &ImageUpdatePolicy, policy: &ImageUpdatePolicy) -> String {
    if other.namespace() == policy.namespace() {
        format!("ImageUpdatePolicy {}", other.name_any())
    } else {
        "an older ImageUpdatePolicy of another namespace".to_owned()
    }
}

/// The name of the image's entry in a kustomization.
fn entry_name(image: &ImageSpec) -> Option<String> {
    match &image.kustomize {
        Some(kustomize) => Some(kustomize.name.clone()),
        None => source_name(image),
    }
}

fn source_name(image: &ImageSpec) -> Option<String> {
    match (&image.image, &image.watch_ref) {
        (Some(image), _) => Some(image.clone()),
        // The same watch is the same image; watches of other names are told apart by theirs.
        (None, Some(watch)) => Some(format!("watch {}", watch.name)),
        (None, None) => None,
    }
}
