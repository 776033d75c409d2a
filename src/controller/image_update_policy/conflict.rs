//! Two policies that write the same field of the same target: the older one goes on.
//!
//! However that is spelled: an address with or without `.git`, a branch by its name or as the default
//! one, an image by its repository or by a watch of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use image_update_core::image::Repository;
use image_update_core::plan::{Format, Overrides, Target};
use image_update_core::remote::{RemoteUrl, RepoFolder};
use kube::ResourceExt as _;
use kube::runtime::reflector::ObjectRef;

use super::destinations::{self, Destination, Selection};
use super::unnamed_branch;
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
    /// The remote and a branch that it may be, or the Application.
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

/// The repository that a watch is of, by the watch's namespace and name.
type RepositoryOf<'a> = &'a dyn Fn(&str, &str) -> Option<Repository>;

/// See [`RepositoryOf`]; nothing if the watch is not there or can't be read.
pub(super) fn repository(namespace: &str, watch: &str, context: &Context) -> Option<Repository> {
    let found = context
        .watches
        .get(&ObjectRef::new(watch).within(namespace))?;
    let watch = found.0.as_ref().ok()?;
    watch.spec.image.parse().ok()
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
/// The Applications are those that the policy may select: where it meets others is among them.
pub(super) fn check(
    policy: &ImageUpdatePolicy,
    selection: &Selection,
    (applications, scope): (&[Arc<Known>], &ApplicationScope),
    rivals: &[Arc<GuardedPolicy>],
    repository_of: RepositoryOf<'_>,
) -> Result<(), Error> {
    let ours = fields(policy, selection, repository_of);
    let places = Places::of(&ours);
    let remotes: BTreeSet<&str> = remotes(selection).map(RemoteUrl::without_suffix).collect();
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
                let repository = git.repository.as_ref().and_then(|it| it.parse().ok());
                let is_ours = |it: RemoteUrl| remotes.contains(it.without_suffix());
                repository.is_some_and(is_ours)
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
        let theirs = fields(other, &theirs, repository_of);
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

fn remotes(selection: &Selection) -> impl Iterator<Item = &RemoteUrl> {
    let destinations = selection.destinations.iter();
    destinations.filter_map(Destination::remote)
}

/// Everything that the images of a policy take of the targets of a selection.
fn fields(
    policy: &ImageUpdatePolicy,
    selection: &Selection,
    repository_of: RepositoryOf<'_>,
) -> BTreeSet<Field> {
    let images = Images {
        namespace: names(&policy.metadata).0,
        all: &policy.spec.images,
        repository_of,
    };
    let mut fields = BTreeSet::new();
    for destination in &selection.destinations {
        let places = places(policy, selection, destination);
        for target in destination.targets() {
            let path = path_of(target);
            for name in images.names_in(target) {
                fields.extend(places.iter().map(|place| Field {
                    place: place.clone(),
                    path: path.clone(),
                    name: name.clone(),
                }));
            }
        }
    }
    fields
}

/// What a destination may be. A branch without a name meets every other one without, and those that
/// it may be the same as.
fn places(
    policy: &ImageUpdatePolicy,
    selection: &Selection,
    destination: &Destination,
) -> Vec<String> {
    let Destination::Git(git) = destination else {
        return vec![destination.name()];
    };
    let repository = git.url.without_suffix();
    let mut branches = match &git.branch {
        Some(branch) => BTreeSet::from([branch.to_string()]),
        None => unnamed_branch::candidates(policy, selection, &git.url),
    };
    if git.branch.is_none() {
        branches.insert(String::new());
    }
    let places = branches.iter();
    places
        .map(|branch| format!("{repository} {branch}"))
        .collect()
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

/// The images of a policy.
struct Images<'a> {
    /// The policy's.
    namespace: &'a str,
    all: &'a [ImageSpec],
    repository_of: RepositoryOf<'a>,
}

impl Images<'_> {
    /// What they take of a file: the names of entries, keys, or variables.
    fn names_in(&self, target: &Target) -> Vec<String> {
        let images = self.all.iter();
        images.flat_map(|it| self.names_of(it, target)).collect()
    }

    fn names_of(&self, image: &ImageSpec, target: &Target) -> Vec<String> {
        let helm = |helm: &HelmImage| [helm.name.clone(), helm.tag.clone(), helm.spec.clone()];
        let plugin = |it: &PluginImage| [it.name.clone(), it.tag.clone(), it.spec.clone()];
        match target.format {
            Format::Kustomization | Format::ArgocdSource(Overrides::KustomizeImages) => {
                self.entry_name(image).into_iter().collect()
            }
            Format::Manifests(_) => {
                let name = self.source_name(image);
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

    /// The name of the image's entry in a kustomization.
    fn entry_name(&self, image: &ImageSpec) -> Option<String> {
        match &image.kustomize {
            Some(kustomize) => Some(familiar(&kustomize.name)),
            None => self.source_name(image),
        }
    }

    /// The image's repository.
    fn source_name(&self, image: &ImageSpec) -> Option<String> {
        let watch = match (&image.image, &image.watch_ref) {
            (Some(image), _) => return Some(familiar(image)),
            (None, Some(watch)) => watch,
            (None, None) => return None,
        };
        let namespace = watch.namespace.as_deref().unwrap_or(self.namespace);
        // What a watch of another namespace is of, only those may learn who are granted it.
        let is_own = namespace == self.namespace;
        let known = is_own.then(|| (self.repository_of)(namespace, &watch.name));
        let unknown = || format!("watch {namespace}/{}", watch.name);
        let repository = known.flatten().map(|it| it.familiar().to_owned());
        Some(repository.unwrap_or_else(unknown))
    }
}

/// The one spelling of a name, if it is that of a repository.
fn familiar(name: &str) -> String {
    let repository = name.parse::<Repository>();
    repository.map_or_else(|_| name.to_owned(), |it| it.familiar().to_owned())
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

#[cfg(test)]
mod tests {
    use kube::core::DeserializeGuard;
    use serde_json::{Value, json};

    use super::*;

    const REMOTE: &str = "https://git.example/org/env.git";

    /// A policy of `namespace` that writes one image to one kustomization.
    fn policy(name: &str, created: &str, repository: &str, spec: &Value) -> ImageUpdatePolicy {
        let mut object = json!({
            "apiVersion": "image-update.dev/v1alpha1",
            "kind": "ImageUpdatePolicy",
            "metadata": {
                "namespace": "shop", "name": name, "generation": 1,
                "creationTimestamp": created,
            },
            "spec": {
                "images": [{
                    "alias": "web", "image": "ghcr.io/org/app", "strategy": {"semver": {}},
                }],
                "writeBack": {"git": {
                    "repository": repository,
                    "targets": [{"kustomization": {"path": "overlays/prod"}}],
                }},
            },
        });
        let spec = spec.as_object().expect("the row is an object");
        for (key, value) in spec {
            match key.as_str() {
                "branch" => object["spec"]["writeBack"]["git"]["branch"] = value.clone(),
                "settled" => {
                    object["status"] = json!({"observedGeneration": 1, "images": [{
                        "alias": "web", "state": "UpToDate", "reason": "Succeeded", "message": "",
                        "settled": {"value": "1.0.0", "branch": value},
                    }]});
                }
                _ => {
                    let image = &mut object["spec"]["images"][0];
                    image["image"] = Value::Null;
                    image[key] = value.clone();
                }
            }
        }
        serde_json::from_value(object).expect("the row is a policy")
    }

    /// Whether a policy meets an older one, each with an address and what else it says.
    fn meets(ours: (&str, &Value), theirs: (&str, &Value)) -> bool {
        let scope = ApplicationScope {
            argocd: "argocd".to_owned(),
            others: Vec::new(),
        };
        let older = policy("older", "2026-01-01T00:00:00Z", theirs.0, theirs.1);
        let ours = policy("ours", "2026-01-02T00:00:00Z", ours.0, ours.1);
        let model = validate::image_update_policy(&ours.spec).expect("the row's spec is valid");
        let reach = scope.reach(&ours.metadata);
        let selection = destinations::select(&model, reach, &[], &scope.argocd);
        let selection = selection.expect("the row's paths are right");
        let rivals = [Arc::new(DeserializeGuard(Ok(older)))];
        let repository_of = |namespace: &str, watch: &str| {
            let is_known = (namespace, watch) == ("shop", "app");
            is_known.then(|| "ghcr.io/org/app".parse().expect("it is a repository"))
        };
        let applications = (&[][..], &scope);
        let checked = check(&ours, &selection, applications, &rivals, &repository_of);
        if let Err(Error::Conflict { holder, .. }) = &checked {
            assert_eq!(holder, "ImageUpdatePolicy older");
        } else {
            checked.expect("nothing else can be wrong with it");
            return false;
        }
        true
    }

    #[test]
    fn an_address_is_the_same_however_it_is_spelled() {
        for (spelled, expected) in [
            (REMOTE, true),
            ("https://git.example/org/env.git/", true),
            ("https://GIT.example:443/org/env.git", true),
            ("https://git.example/org/env", true),
            ("https://git.example/org/other.git", false),
            ("https://git.example:8443/org/env.git", false),
            ("ssh://git@git.example/org/env.git", false),
        ] {
            let plain = json!({});
            assert_eq!(
                meets((REMOTE, &plain), (spelled, &plain)),
                expected,
                "{spelled}"
            );
            assert_eq!(
                meets((spelled, &plain), (REMOTE, &plain)),
                expected,
                "{spelled}"
            );
        }
    }

    #[test]
    fn a_branch_without_a_name_is_the_one_that_it_was_or_a_usual_one() {
        for (one, other, expected) in [
            (json!({}), json!({}), true),
            (json!({}), json!({"branch": "main"}), true),
            (json!({}), json!({"branch": "staging"}), false),
            (
                json!({"settled": "trunk"}),
                json!({"branch": "trunk"}),
                true,
            ),
            (
                json!({"settled": "trunk"}),
                json!({"branch": "main"}),
                false,
            ),
            (json!({"settled": "trunk"}), json!({}), true),
            (json!({"branch": "main"}), json!({"branch": "main"}), true),
            (
                json!({"branch": "main"}),
                json!({"branch": "staging"}),
                false,
            ),
        ] {
            assert_eq!(
                meets((REMOTE, &one), (REMOTE, &other)),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                meets((REMOTE, &other), (REMOTE, &one)),
                expected,
                "{other} {one}"
            );
        }
    }

    #[test]
    fn an_image_is_the_same_by_its_name_and_by_its_watch() {
        for (one, other, expected) in [
            (json!({}), json!({"watchRef": {"name": "app"}}), true),
            (json!({}), json!({"watchRef": {"name": "gone"}}), false),
            // Nobody learns what a watch is of that is not his.
            (
                json!({}),
                json!({"watchRef": {"name": "app", "namespace": "bank"}}),
                false,
            ),
            (
                json!({"watchRef": {"name": "x", "namespace": "bank"}}),
                json!({"watchRef": {"name": "x", "namespace": "bank"}}),
                true,
            ),
            (
                json!({"image": "nginx"}),
                json!({"image": "docker.io/library/nginx"}),
                true,
            ),
            (json!({"image": "nginx"}), json!({}), false),
        ] {
            assert_eq!(
                meets((REMOTE, &one), (REMOTE, &other)),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                meets((REMOTE, &other), (REMOTE, &one)),
                expected,
                "{other} {one}"
            );
        }
    }
}
