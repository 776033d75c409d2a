//! Where a policy writes: a git repository with its targets, and Applications.

use std::collections::BTreeMap;

use image_update_core::argocd::SourceSelector;
use image_update_core::message::MessageTemplate;
use image_update_core::policy::Glob;
use image_update_core::remote::{BranchName, RemoteUrl, RepoFolder, RepoPath, RepoPathError};
use image_update_core::target::kustomization;
use image_update_core::template::BranchTemplate;

use super::problems::Collector;
use crate::api::v1alpha1::{
    ApplicationSelector, ArgocdWriteBack, CommitAuthor, CommitSpec, GitWriteBack, Granularity,
    ImageUpdatePolicySpec, ManifestImages, TargetSpec,
};

/// The author of commits that name none.
const DEFAULT_AUTHOR: (&str, &str) = ("image-update-operator", "noreply@image-update.dev");

/// Where the images are written.
#[derive(Clone, Debug)]
pub enum WriteBackModel {
    /// To git.
    Git(Box<GitModel>),
    /// To the parameters of the Applications themselves.
    Argocd,
}

impl WriteBackModel {
    /// The git write-back, if it is one.
    pub fn git(&self) -> Option<&GitModel> {
        match self {
            Self::Git(git) => Some(git),
            Self::Argocd => None,
        }
    }
}

/// A git write-back that was read.
#[derive(Clone, Debug)]
pub struct GitModel {
    /// The remote; `None` for that of the Application's source.
    pub url: Option<RemoteUrl>,
    /// The branch; `None` for what the Application's source follows, or the remote's default.
    pub branch: Option<BranchName>,
    /// The branch that is pushed to, if it is another one.
    pub push: Option<BranchTemplate>,
    /// As whom the remote is asked.
    pub credentials: CredentialsModel,
    /// Plain HTTP and untrusted certificates are allowed.
    pub insecure: bool,
    /// The files.
    pub targets: Vec<TargetModel>,
    /// How commits look.
    pub commit: CommitModel,
}

/// As whom a remote is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsModel {
    /// As nobody.
    Anonymous,
    /// As a Secret of the policy's namespace says; its name.
    Secret(String),
    /// As Argo CD asks it.
    Argocd,
}

/// How commits look.
#[derive(Clone, Debug)]
pub struct CommitModel {
    /// Author and committer.
    pub author: CommitAuthor,
    /// The message.
    pub message: MessageTemplate,
    /// What shares a commit.
    pub granularity: Granularity,
    /// The Secret with the key that signs.
    pub signing_secret: Option<String>,
    /// Whether messages are signed off.
    pub sign_off: bool,
}

/// A file to write, not yet placed in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetModel {
    /// What it is.
    pub format: TargetFormat,
    /// Its path as the user wrote it; `None` for the default name of an override file.
    pub path: Option<String>,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetFormat {
    /// A kustomization.
    Kustomization,
    /// Helm values.
    HelmValues,
    /// The override file of an Application.
    ArgocdSource,
    /// Manifests, in a file or in the files of a folder.
    Manifests(ManifestImages),
}

/// Where a target may be in a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPlace {
    /// The files of which exactly one has to be there.
    pub files: Vec<RepoPath>,
    /// The folder whose files it is, where it may be several.
    pub folder: Option<RepoFolder>,
}

/// Which Applications are selected.
#[derive(Clone, Debug)]
pub struct ApplicationRule {
    /// The namespace, if it is named, and the name, if they are those of one Application.
    one: Option<(Option<String>, String)>,
    namespace: Option<Glob>,
    name: Option<Glob>,
    labels: BTreeMap<String, String>,
    /// The source that is meant.
    pub source: SourceSelector,
}

/// From where a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Whether it may select Applications of other namespaces, too.
    pub beyond: bool,
}

impl ApplicationRule {
    /// Whether it is about namespaces that are named, not just the policy's own.
    pub fn names_namespaces(&self) -> bool {
        self.namespace.is_some()
    }

    /// The one Application that it is about, as namespace and name, for a policy in the namespace
    /// `own`; nothing if it may be about several.
    pub fn one(&self, own: &str) -> Option<(String, String)> {
        let (namespace, name) = self.one.as_ref()?;
        let namespace = namespace.as_deref().unwrap_or(own);
        Some((namespace.to_owned(), name.clone()))
    }

    /// Whether an Application of this namespace and name with these labels is selected.
    pub fn selects(
        &self,
        reach: Reach<'_>,
        (namespace, name): (&str, &str),
        labels: &BTreeMap<String, String>,
    ) -> bool {
        let is_own = namespace == reach.namespace;
        let is_reached = match &self.namespace {
            None => is_own,
            Some(glob) => (is_own || reach.beyond) && glob.matches(namespace),
        };
        is_reached
            && self.name.as_ref().is_none_or(|glob| glob.matches(name))
            && self
                .labels
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
    }
}

/// Where a target of `format` at `path` may be: `path` starts at the repository's root, and is
/// empty for the root itself.
///
/// A kustomization is the path itself if that is named like one, else one of the three names in
/// that folder.
pub fn place(format: TargetFormat, path: &str) -> Result<TargetPlace, RepoPathError> {
    let names = kustomization::FILE_NAMES.iter();
    let is_kustomization = |path: &str| {
        let last = path.rsplit('/').next();
        names.clone().any(|name| last == Some(name))
    };
    let mut folder = None;
    let files = match format {
        TargetFormat::HelmValues | TargetFormat::ArgocdSource => vec![path.parse()?],
        TargetFormat::Kustomization if is_kustomization(path) => vec![path.parse()?],
        TargetFormat::Kustomization => {
            let folder: RepoFolder = path.parse()?;
            names
                .map(|name| folder.join(name))
                .collect::<Result<_, _>>()?
        }
        TargetFormat::Manifests(_) => {
            folder = Some(path.parse()?);
            Vec::new()
        }
    };
    Ok(TargetPlace { files, folder })
}

/// A path from the repository's root without what says nothing at its ends.
pub fn from_root(path: &str) -> &str {
    let path = path.trim_end_matches('/').trim_start_matches("./");
    let path = path.trim_start_matches('/');
    if path == "." { "" } else { path }
}

/// Reads the selected Applications.
pub(super) fn read_applications(
    found: &mut Collector,
    spec: &ImageUpdatePolicySpec,
) -> Vec<ApplicationRule> {
    let rules = spec.applications.iter().enumerate();
    rules
        .filter_map(|(index, rule)| {
            read_application_rule(found, &format!("spec.applications[{index}]"), rule)
        })
        .collect()
}

fn read_application_rule(
    found: &mut Collector,
    field: &str,
    spec: &ApplicationSelector,
) -> Option<ApplicationRule> {
    let mut glob = |field: String, text: &Option<String>| match text {
        Some(text) => found.parse(&field, text, str::parse::<Glob>).map(Some),
        None => Some(None),
    };
    let namespace = glob(format!("{field}.namespace"), &spec.namespace)?;
    let name = glob(format!("{field}.name"), &spec.name)?;
    let source = match &spec.source {
        None => SourceSelector::Inferred,
        Some(source) => match (&source.name, source.index, &source.reference) {
            (Some(name), None, None) => SourceSelector::Name(name.clone()),
            (None, Some(index), None) => SourceSelector::Index(usize::try_from(index).ok()?),
            (None, None, Some(reference)) => SourceSelector::Ref(reference.clone()),
            _ => {
                let field = format!("{field}.source");
                found.add(&field, "set exactly one of name, index and ref");
                return None;
            }
        },
    };
    let labels = spec.selector.as_ref();
    let one = one_application(spec, "");
    Some(ApplicationRule {
        one: one.map(|(_, name)| (spec.namespace.clone(), name.to_owned())),
        namespace,
        name,
        labels: labels.map(|it| it.match_labels.clone()).unwrap_or_default(),
        source,
    })
}

/// What makes more of a name than itself.
const GLOB_CHARACTERS: [char; 4] = ['*', '?', '[', '\\'];

/// The one Application that a rule of a policy in the namespace `own` is about, as namespace and
/// name; nothing if it may be about several.
pub fn one_application<'a>(
    rule: &'a ApplicationSelector,
    own: &'a str,
) -> Option<(&'a str, &'a str)> {
    let namespace = rule.namespace.as_deref().unwrap_or(own);
    let name = rule.name.as_deref()?;
    let is_glob = |text: &str| text.contains(GLOB_CHARACTERS);
    (!is_glob(namespace) && !is_glob(name)).then_some((namespace, name))
}

/// Whether a policy selects an Application; one that can't be read selects none.
pub fn selects(
    spec: &ImageUpdatePolicySpec,
    reach: Reach<'_>,
    application: (&str, &str),
    labels: &BTreeMap<String, String>,
) -> bool {
    // Thousands of policies name one Application each, and this is asked about all of them.
    let may_be = |glob: &Option<String>, text: &str| {
        let glob = glob.as_deref();
        glob.is_none_or(|glob| glob == text || glob.contains(GLOB_CHARACTERS))
    };
    let (namespace, name) = application;
    let may_select = |rule: &ApplicationSelector| {
        may_be(&rule.name, name)
            && (namespace == reach.namespace || rule.namespace.is_some())
            && may_be(&rule.namespace, namespace)
    };
    if !spec.applications.iter().any(may_select) {
        return false;
    }
    let rules = read_applications(&mut Collector::default(), spec);
    rules
        .iter()
        .any(|rule| rule.selects(reach, application, labels))
}

/// Reads where the images are written.
pub(super) fn read_write_back(
    found: &mut Collector,
    spec: &ImageUpdatePolicySpec,
) -> Option<WriteBackModel> {
    let direct = spec.applications.is_empty();
    match (&spec.write_back.git, &spec.write_back.argocd) {
        (Some(git), None) => read_git(found, "spec.writeBack.git", git, direct)
            .map(|git| WriteBackModel::Git(Box::new(git))),
        (None, Some(ArgocdWriteBack {})) if direct => {
            let message = "argocd writes to Applications; say which ones in spec.applications";
            found.add("spec.writeBack.argocd", message);
            None
        }
        (None, Some(ArgocdWriteBack {})) => Some(WriteBackModel::Argocd),
        (Some(_), Some(_)) | (None, None) => {
            found.add("spec.writeBack", "set exactly one of git and argocd");
            None
        }
    }
}

fn read_git(
    found: &mut Collector,
    field: &str,
    spec: &GitWriteBack,
    direct: bool,
) -> Option<GitModel> {
    let url = match &spec.repository {
        Some(repository) => {
            let field = format!("{field}.repository");
            Some(found.parse(&field, repository, str::parse::<RemoteUrl>)?)
        }
        None if direct => {
            let field = format!("{field}.repository");
            found.add(
                &field,
                "without applications, the repository has to be named",
            );
            return None;
        }
        None => None,
    };
    let branch = match &spec.branch {
        Some(branch) => {
            Some(found.parse(&format!("{field}.branch"), branch, str::parse::<BranchName>)?)
        }
        None => None,
    };
    let targets = spec.targets.iter().enumerate();
    let targets = targets.filter_map(|(index, target)| {
        read_target(found, &format!("{field}.targets[{index}]"), target, direct)
    });
    let targets = targets.collect();
    let push = match &spec.push {
        Some(push) => Some(found.parse(
            &format!("{field}.push.branch"),
            &push.branch,
            BranchTemplate::checked,
        )?),
        None => None,
    };
    let commit = spec.commit.clone().unwrap_or_default();
    let commit = read_commit(found, &format!("{field}.commit"), commit)?;
    let credentials = read_credentials(found, &format!("{field}.credentials"), spec)?;
    Some(GitModel {
        url,
        branch,
        push,
        credentials,
        insecure: spec.insecure,
        targets,
        commit,
    })
}

fn read_credentials(
    found: &mut Collector,
    field: &str,
    spec: &GitWriteBack,
) -> Option<CredentialsModel> {
    let Some(credentials) = &spec.credentials else {
        return Some(CredentialsModel::Anonymous);
    };
    match (&credentials.secret_ref, &credentials.argocd) {
        (Some(reference), None) => Some(CredentialsModel::Secret(reference.name.clone())),
        (None, Some(_)) => Some(CredentialsModel::Argocd),
        (Some(_), Some(_)) | (None, None) => {
            found.add(field, "set exactly one of secretRef and argocd");
            None
        }
    }
}

fn read_commit(found: &mut Collector, field: &str, spec: CommitSpec) -> Option<CommitModel> {
    let message = match &spec.message {
        Some(message) => found.parse(
            &format!("{field}.message"),
            message,
            MessageTemplate::checked,
        )?,
        None => MessageTemplate::default(),
    };
    let author = spec.author.unwrap_or_else(|| CommitAuthor {
        name: DEFAULT_AUTHOR.0.to_owned(),
        email: DEFAULT_AUTHOR.1.to_owned(),
    });
    Some(CommitModel {
        author,
        message,
        granularity: spec.granularity,
        signing_secret: spec.signing.map(|signing| signing.secret_ref.name),
        sign_off: spec.sign_off,
    })
}

fn read_target(
    found: &mut Collector,
    field: &str,
    spec: &TargetSpec,
    direct: bool,
) -> Option<TargetModel> {
    let set = (
        &spec.kustomization,
        &spec.helm_values,
        &spec.argocd_source,
        &spec.manifests,
    );
    let (name, format, path) = match set {
        (Some(target), None, None, None) => (
            "kustomization",
            TargetFormat::Kustomization,
            Some(&target.path),
        ),
        (None, Some(target), None, None) => {
            ("helmValues", TargetFormat::HelmValues, Some(&target.path))
        }
        (None, None, Some(target), None) => (
            "argocdSource",
            TargetFormat::ArgocdSource,
            target.path.as_ref(),
        ),
        (None, None, None, Some(target)) => (
            "manifests",
            TargetFormat::Manifests(target.images),
            Some(&target.path),
        ),
        _ => {
            let message =
                "set exactly one target: kustomization, helmValues, argocdSource or manifests";
            found.add(field, message);
            return None;
        }
    };
    if direct {
        let path = path.map_or("", |path| from_root(path));
        let field = format!("{field}.{name}.path");
        found.parse(&field, path, |path| place(format, path))?;
    }
    Some(TargetModel {
        format,
        path: path.cloned(),
    })
}
