//! Where a policy writes, worked out for each Application that it selects. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use image_update_core::argocd::{self, Chosen, SourceType, choose, place};
use image_update_core::plan::{Format, Overrides, Target};
use image_update_core::remote::{BranchName, RemoteUrl, RepoPath};
use image_update_core::target::manifests::Scope;

use crate::api::v1alpha1::ManifestImages;
use crate::api::validate::{
    self, ApplicationRule, GitModel, PolicyModel, Reach, TargetFormat, TargetModel, WriteBackModel,
};
use crate::controller;
use crate::controller::applications::Known;
use crate::controller::context::GuardedPolicy;
use crate::controller::error::{Error, PlaceProblem};

/// What is written at once.
pub(super) enum Destination {
    /// A branch of a remote, with the files of all Applications that are in it.
    Git(GitDestination),
    /// An Application itself.
    Application {
        known: Arc<Known>,
        /// The source, by its place.
        index: usize,
        target: Target,
    },
}

/// A branch of a remote.
pub(super) struct GitDestination {
    pub(super) url: RemoteUrl,
    /// `None` for the remote's default.
    pub(super) branch: Option<BranchName>,
    pub(super) targets: Vec<Target>,
}

impl Destination {
    /// The files, or the overrides of the Application.
    pub(super) fn targets(&self) -> &[Target] {
        match self {
            Self::Git(git) => &git.targets,
            Self::Application { target, .. } => std::slice::from_ref(target),
        }
    }

    /// A text that no other destination has.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Git(git) => {
                let branch = git.branch.as_ref().map(ToString::to_string);
                format!("{} {}", git.url, branch.unwrap_or_default())
            }
            Self::Application { known, .. } => {
                format!("{}/{}", known.facts.namespace, known.facts.name)
            }
        }
    }

    /// The remote, if it is one.
    pub(super) fn remote(&self) -> Option<&RemoteUrl> {
        match self {
            Self::Git(git) => Some(&git.url),
            Self::Application { .. } => None,
        }
    }

    /// The same, of a destination that is done with.
    pub(super) fn into_remote(self) -> Option<RemoteUrl> {
        match self {
            Self::Git(git) => Some(git.url),
            Self::Application { .. } => None,
        }
    }

    /// The Applications whose files are there, by namespace and name.
    pub(super) fn application_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        let targets = self.targets().iter();
        let facts = targets.filter_map(|target| target.application.as_deref());
        facts.map(|facts| (facts.namespace.as_str(), facts.name.as_str()))
    }

    /// The Applications whose files are there, as `namespace/name`.
    pub(super) fn applications(&self) -> Vec<String> {
        let targets = self.targets();
        let mut names: Vec<String> = targets
            .iter()
            .filter_map(Target::application_name)
            .collect();
        names.dedup();
        names
    }
}

/// Everything that a policy selects.
#[derive(Default)]
pub(super) struct Selection {
    pub(super) destinations: Vec<Destination>,
    /// Applications that can't be written, as `namespace/name`, and why.
    pub(super) refused: Vec<(String, Error)>,
    /// How many Applications there are; `None` for a policy that selects none by itself.
    pub(super) matched: Option<usize>,
}

impl Selection {
    /// The Applications that can be written, by namespace and name; each as often as it has targets.
    pub(super) fn application_keys(&self) -> impl Iterator<Item = (&str, &str)> {
        let destinations = self.destinations.iter();
        destinations.flat_map(Destination::application_keys)
    }

    /// The same as `namespace/name`, each once.
    pub(super) fn applications(&self) -> Vec<String> {
        let keys: BTreeSet<_> = self.application_keys().collect();
        let keys = keys.into_iter();
        keys.map(|(namespace, name)| format!("{namespace}/{name}"))
            .collect()
    }
}

/// Files by the remote and the branch they are in.
type Remotes = BTreeMap<(String, Option<String>), Vec<Target>>;

/// The destinations of a policy among `applications`, those that it may select.
pub(super) fn select(
    model: &PolicyModel,
    reach: Reach<'_>,
    applications: &[Arc<Known>],
    argocd_namespace: &str,
) -> Result<Selection, Error> {
    if model.applications.is_empty() {
        return direct(model);
    }
    let mut selection = Selection::default();
    let mut remotes = Remotes::new();
    let mut matched = 0;
    for known in applications {
        let selects = |rule: &&ApplicationRule| rule.selects(reach, known.key(), &known.labels);
        let Some(rule) = model.applications.iter().find(selects) else {
            continue;
        };
        matched += 1;
        let result = match &model.write_back {
            WriteBackModel::Git(git) => {
                let context = Context {
                    git,
                    rule,
                    argocd_namespace,
                };
                context.add_files(known, &mut remotes)
            }
            WriteBackModel::Argocd => application(known, rule).map(|destination| {
                selection.destinations.push(destination);
            }),
        };
        if let Err(problem) = result {
            let application = format!("{}/{}", known.facts.namespace, known.facts.name);
            let error = Error::ApplicationPlace {
                application: application.clone(),
                problem,
            };
            selection.refused.push((application, error));
        }
    }
    for ((url, branch), targets) in remotes {
        selection
            .destinations
            .push(git_destination(&url, branch.as_deref(), targets)?);
    }
    selection.matched = Some(matched);
    Ok(selection)
}

/// The Applications that a policy may select, of those that are known.
pub(super) fn reached(
    model: &PolicyModel,
    reach: Reach<'_>,
    context: &controller::context::Context,
) -> Result<Vec<Arc<Known>>, Error> {
    if model.applications.is_empty() {
        return Ok(Vec::new());
    }
    let mut rules = model.applications.iter();
    let is_wide = rules.any(ApplicationRule::names_namespaces);
    if is_wide && !reach.beyond {
        return Err(Error::ApplicationsOutOfReach {
            argocd: context.application_scope.argocd.clone(),
        });
    }
    let named = model.applications.iter().map(|it| it.one(reach.namespace));
    let mut found = match named.collect::<Option<BTreeSet<_>>>() {
        Some(keys) => keys
            .iter()
            .filter_map(|key| context.applications.get(key))
            .collect(),
        None if is_wide => context.applications.all(),
        None => context.applications.of_namespace(reach.namespace),
    };
    if is_wide {
        found.retain(|known| context.application_scope.covers(known.key().0));
    }
    Ok(found)
}

/// Everything that a policy writes to, each by a text of its own: a branch of a remote, or an
/// Application. Nothing for a policy that can't be read, or writes nowhere.
pub(in crate::controller) fn targets(
    policy: &GuardedPolicy,
    context: &controller::context::Context,
) -> Vec<String> {
    let Ok(policy) = &policy.0 else {
        return Vec::new();
    };
    let Ok(model) = validate::image_update_policy(&policy.spec) else {
        return Vec::new();
    };
    let scope = &context.application_scope;
    let reach = scope.reach(&policy.metadata);
    let Ok(applications) = reached(&model, reach, context) else {
        return Vec::new();
    };
    let selection = select(&model, reach, &applications, &scope.argocd);
    let destinations = selection.unwrap_or_default().destinations;
    destinations.iter().map(Destination::name).collect()
}

/// A policy that names repository and paths itself.
fn direct(model: &PolicyModel) -> Result<Selection, Error> {
    let WriteBackModel::Git(git) = &model.write_back else {
        return Ok(Selection::default());
    };
    let Some(url) = &git.url else {
        return Ok(Selection::default());
    };
    let targets = git.targets.iter().map(|target| {
        let path = target.path.as_deref().unwrap_or_default();
        let place = validate::place(target.format, validate::from_root(path));
        let place = place.map_err(|problem| Error::TargetPath {
            path: path.to_owned(),
            problem,
        })?;
        Ok(Target {
            path: path.to_owned(),
            files: place.files,
            folder: place.folder,
            format: match target.format {
                TargetFormat::HelmValues => Format::HelmValues,
                TargetFormat::Manifests(images) => manifests(images),
                // Refused without Applications when the spec is read.
                TargetFormat::Kustomization | TargetFormat::ArgocdSource => Format::Kustomization,
            },
            application: None,
            source_images: Vec::new(),
        })
    });
    Ok(Selection {
        destinations: vec![Destination::Git(GitDestination {
            url: url.clone(),
            branch: git.branch.clone(),
            targets: targets.collect::<Result<_, Error>>()?,
        })],
        ..Selection::default()
    })
}

fn git_destination(
    url: &str,
    branch: Option<&str>,
    targets: Vec<Target>,
) -> Result<Destination, Error> {
    let invalid = |problem: &dyn std::fmt::Display| Error::SourceAddress {
        address: url.to_owned(),
        problem: problem.to_string(),
    };
    let parsed = url
        .parse()
        .map_err(|problem: <RemoteUrl as std::str::FromStr>::Err| invalid(&problem))?;
    let branch = match branch {
        Some(branch) => Some(
            branch
                .parse()
                .map_err(|problem: <BranchName as std::str::FromStr>::Err| invalid(&problem))?,
        ),
        None => None,
    };
    Ok(Destination::Git(GitDestination {
        url: parsed,
        branch,
        targets,
    }))
}

/// What goes for every file of a policy in git.
struct Context<'a> {
    git: &'a GitModel,
    rule: &'a ApplicationRule,
    argocd_namespace: &'a str,
}

impl Context<'_> {
    fn add_files(&self, known: &Known, remotes: &mut Remotes) -> Result<(), PlaceProblem> {
        // First all, so that an Application is written as a whole or not at all.
        let placed: Vec<_> = self
            .git
            .targets
            .iter()
            .map(|target| self.place(known, target))
            .collect::<Result<_, _>>()?;
        for (key, target) in placed {
            remotes.entry(key).or_default().push(target);
        }
        Ok(())
    }

    fn place(
        &self,
        known: &Known,
        target: &TargetModel,
    ) -> Result<((String, Option<String>), Target), PlaceProblem> {
        let facts = &known.facts;
        let wanted: &[SourceType] = match target.format {
            TargetFormat::Kustomization => &[SourceType::Kustomize],
            TargetFormat::HelmValues => &[SourceType::Helm],
            TargetFormat::ArgocdSource => &OVERRIDABLE,
            TargetFormat::Manifests(_) => &[SourceType::Directory],
        };
        let chosen = choose(facts, &self.rule.source, wanted).map_err(PlaceProblem::Source)?;
        let path = match &target.path {
            Some(path) => path.clone(),
            None => override_file(facts, self.argocd_namespace),
        };
        let url = self.git.url.as_ref().map(ToString::to_string);
        let branch = self.git.branch.as_ref().map(ToString::to_string);
        let found = place(facts, chosen, url.as_deref(), branch.as_deref(), &path)
            .map_err(PlaceProblem::Place)?;
        let format = match target.format {
            TargetFormat::Kustomization => Format::Kustomization,
            TargetFormat::HelmValues => Format::HelmValues,
            TargetFormat::ArgocdSource => Format::ArgocdSource(overrides(chosen)?),
            TargetFormat::Manifests(images) => manifests(images),
        };
        let place = validate::place(target.format, &found.path).map_err(PlaceProblem::Path)?;
        let placed = Target {
            path,
            files: place.files,
            folder: place.folder,
            format,
            application: Some(Arc::clone(facts)),
            source_images: chosen.source.kustomize_images.clone(),
        };
        Ok(((found.repository, found.branch), placed))
    }
}

const OVERRIDABLE: [SourceType; 3] = [SourceType::Helm, SourceType::Kustomize, SourceType::Plugin];

fn manifests(images: ManifestImages) -> Format {
    match images {
        ManifestImages::Containers => Format::Manifests(Scope::Containers),
        ManifestImages::Fields => Format::Manifests(Scope::Fields),
        ManifestImages::Marked => Format::Markers,
    }
}

fn overrides(chosen: Chosen<'_>) -> Result<Overrides, PlaceProblem> {
    let source_type = chosen.source_type.ok_or(PlaceProblem::UnknownType)?;
    Overrides::of(source_type).ok_or(PlaceProblem::NoOverrides)
}

fn application(known: &Arc<Known>, rule: &ApplicationRule) -> Result<Destination, PlaceProblem> {
    let facts = &known.facts;
    let chosen = choose(facts, &rule.source, &OVERRIDABLE).map_err(PlaceProblem::Source)?;
    let target = Target {
        path: "the Application".to_owned(),
        files: vec![overrides_path()],
        folder: None,
        format: Format::ArgocdSource(overrides(chosen)?),
        application: Some(Arc::clone(facts)),
        // What is written is the source's own list.
        source_images: Vec::new(),
    };
    Ok(Destination::Application {
        known: Arc::clone(known),
        index: chosen.index,
        target,
    })
}

/// The name under which the overrides of an Application itself stand among the files of a plan.
pub(super) fn overrides_path() -> RepoPath {
    "application".parse().expect("it is the name of a file")
}

/// The file that Argo CD reads: <https://argo-cd.readthedocs.io/en/stable/user-guide/parameters/>
fn override_file(application: &argocd::Application, argocd_namespace: &str) -> String {
    if application.namespace == argocd_namespace {
        format!(".argocd-source-{}.yaml", application.name)
    } else {
        format!(
            ".argocd-source-{}_{}.yaml",
            application.namespace, application.name
        )
    }
}
