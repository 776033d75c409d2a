//! Specs become the core's types, or a list of everything that is wrong with them.
//!
//! The schema and its CEL rules refuse what they can state at `kubectl apply`. What is left is
//! found here: patterns, constraints, addresses. Every problem names its field, the value and the
//! way out.

use std::fmt;
use std::time::Duration;

use image_update_core::duration;
use image_update_core::image::{Platform, Repository, Tag};
use image_update_core::message::MessageTemplate;
use image_update_core::plan::{DigestRule, Format, Target};
use image_update_core::policy::{
    Checks, Extract, Filter, Order, Pattern, Policy, Regexp, Strategy,
};
use image_update_core::remote::{BranchName, RemoteUrl, RepoPath};
use image_update_core::target::helm_values::ImageKeys;
use image_update_core::target::kustomization;
use image_update_core::template::BranchTemplate;
use image_update_core::version::Constraint;
use image_update_core::yaml::KeyPath;

use super::v1alpha1::{
    CommitAuthor, CommitSpec, DigestPolicy, GitWriteBack, Granularity, HelmImage, ImageSpec,
    ImageUpdatePolicySpec, ImageWatchSpec, NewestBuildStrategy, SortOrder, StrategySpec, TagRules,
    TargetSpec,
};

/// The author of commits that name none.
const DEFAULT_AUTHOR: (&str, &str) = ("image-update-operator", "noreply@image-update.dev");

/// The interval of an object whose own can't be read.
const FALLBACK_INTERVAL: Duration = Duration::from_mins(5);

/// Everything that is wrong with a spec; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Problem {
    field: String,
    message: String,
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}

/// An [`ImageWatchSpec`] that was read.
#[derive(Clone, Debug)]
pub struct WatchModel {
    /// The repository to scan.
    pub repository: Repository,
    /// How often.
    pub interval: Duration,
    /// How long one scan may take.
    pub timeout: Duration,
    exclude: Vec<Regexp>,
}

impl WatchModel {
    /// Whether `excludeTags` names the tag.
    pub fn excludes(&self, tag: &Tag) -> bool {
        self.exclude
            .iter()
            .any(|pattern| pattern.is_match(tag.as_str()))
    }
}

/// An [`ImageUpdatePolicySpec`] that was read.
#[derive(Clone, Debug)]
pub struct PolicyModel {
    /// The images, in the order of the spec.
    pub images: Vec<ImageModel>,
    /// Where they are written.
    pub git: GitModel,
    /// Decide and report only.
    pub dry_run: bool,
}

impl PolicyModel {
    /// Every file that a target may be.
    pub fn paths(&self) -> Vec<RepoPath> {
        self.git
            .targets
            .iter()
            .flat_map(|target| target.files.iter().cloned())
            .collect()
    }
}

/// One image of a policy.
#[derive(Clone, Debug)]
pub struct ImageModel {
    /// Its alias.
    pub alias: String,
    /// Where its tags come from.
    pub source: ImageSource,
    /// How its tag is chosen.
    pub policy: Policy,
    /// Whether its digest is written.
    pub digest: DigestRule,
    /// The name of its entry in a kustomization, if that is not its own.
    pub kustomize_name: Option<String>,
    /// The keys that hold it in Helm values.
    pub helm: Option<ImageKeys>,
}

/// Where the tags of an image come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// An ImageWatch.
    Watch {
        /// Its name.
        name: String,
        /// Its namespace, if it is another one.
        namespace: Option<String>,
    },
    /// A repository without a watch.
    Inline(Repository),
}

/// A git write-back that was read.
#[derive(Clone, Debug)]
pub struct GitModel {
    /// The remote.
    pub url: RemoteUrl,
    /// The branch; `None` for the remote's default.
    pub branch: Option<BranchName>,
    /// The branch that is pushed to, if it is another one.
    pub push: Option<BranchTemplate>,
    /// The Secret with the credential.
    pub secret: Option<String>,
    /// Plain HTTP and untrusted certificates are allowed.
    pub insecure: bool,
    /// The files.
    pub targets: Vec<Target>,
    /// How commits look.
    pub commit: CommitModel,
}

/// How commits look.
#[derive(Clone, Debug)]
pub struct CommitModel {
    /// Author and committer.
    pub author: CommitAuthor,
    /// The message.
    pub message: MessageTemplate,
    /// How many policies share a commit.
    pub granularity: Granularity,
    /// The Secret with the key that signs.
    pub signing_secret: Option<String>,
    /// Whether messages are signed off.
    pub sign_off: bool,
}

/// The interval of a spec that may be unreadable.
pub fn interval_or_default(text: &str) -> Duration {
    duration::parse(text).unwrap_or(FALLBACK_INTERVAL)
}

/// Reads the spec of an ImageWatch.
pub fn image_watch(spec: &ImageWatchSpec) -> Result<WatchModel, Problems> {
    let mut found = Collector::default();
    let repository = found.parse("spec.image", &spec.image, str::parse::<Repository>);
    let interval = found.parse("spec.interval", &spec.interval, duration::parse);
    let timeout = found.parse("spec.timeout", &spec.timeout, duration::parse);
    let exclude = found.each("spec.excludeTags", &spec.exclude_tags, str::parse::<Regexp>);
    match (repository, interval, timeout, found.finish()) {
        (Some(repository), Some(interval), Some(timeout), Ok(())) => Ok(WatchModel {
            repository,
            interval,
            timeout,
            exclude,
        }),
        (_, _, _, Err(problems)) => Err(problems),
        (_, _, _, Ok(())) => Err(Problems(Vec::new())),
    }
}

/// Reads the spec of an ImageUpdatePolicy.
pub fn image_update_policy(spec: &ImageUpdatePolicySpec) -> Result<PolicyModel, Problems> {
    let mut found = Collector::default();
    found.parse("spec.interval", &spec.interval, duration::parse);
    let images: Vec<ImageModel> = spec
        .images
        .iter()
        .enumerate()
        .filter_map(|(index, image)| {
            read_image(&mut found, &format!("spec.images[{index}]"), image)
        })
        .collect();
    let git = read_git(&mut found, "spec.writeBack.git", &spec.write_back.git);
    match (git, found.finish()) {
        (Some(git), Ok(())) => Ok(PolicyModel {
            images,
            git,
            dry_run: spec.dry_run,
        }),
        (_, Err(problems)) => Err(problems),
        (None, Ok(())) => Err(Problems(Vec::new())),
    }
}

fn read_image(found: &mut Collector, field: &str, spec: &ImageSpec) -> Option<ImageModel> {
    let source = match (&spec.watch_ref, &spec.image) {
        (Some(watch), None) => Some(ImageSource::Watch {
            name: watch.name.clone(),
            namespace: watch.namespace.clone(),
        }),
        (None, Some(image)) => found
            .parse(&format!("{field}.image"), image, str::parse::<Repository>)
            .map(ImageSource::Inline),
        (Some(_), Some(_)) | (None, None) => {
            found.add(field, "set exactly one of watchRef and image");
            None
        }
    };
    let strategy = read_strategy(found, &format!("{field}.strategy"), &spec.strategy);
    let filter = read_filter(found, &format!("{field}.tags"), spec.tags.as_ref());
    let pin = match &spec.pin {
        Some(pin) if !pin.is_empty() => {
            Some(found.parse(&format!("{field}.pin"), pin, str::parse::<Tag>)?)
        }
        Some(_) | None => None,
    };
    let skip = found.each(&format!("{field}.skip"), &spec.skip, str::parse::<Tag>);
    let platforms = found.each(
        &format!("{field}.platforms"),
        &spec.platforms,
        str::parse::<Platform>,
    );
    let minimum_age = match &spec.minimum_age {
        Some(age) => found.parse(&format!("{field}.minimumAge"), age, duration::parse)?,
        None => Duration::ZERO,
    };
    let helm = match &spec.helm {
        Some(helm) => Some(read_helm(found, &format!("{field}.helm"), helm)?),
        None => None,
    };
    let strategy = strategy?;
    let digest = match (&strategy, spec.digest_policy) {
        // A tag that moves says nothing without its digest.
        (Strategy::Digest(_), DigestPolicy::Never) | (_, DigestPolicy::Always) => {
            DigestRule::Always
        }
        (_, DigestPolicy::IfNotPresent) => DigestRule::IfNotPresent,
        (_, DigestPolicy::Never) => DigestRule::Never,
    };
    Some(ImageModel {
        alias: spec.alias.clone(),
        source: source?,
        policy: Policy {
            filter: filter?,
            pin,
            skip: skip.into_iter().collect(),
            allow_downgrade: spec.allow_downgrade,
            checks: Checks {
                platforms,
                minimum_age,
            },
            ..Policy::new(strategy)
        },
        digest,
        kustomize_name: spec
            .kustomize
            .as_ref()
            .map(|kustomize| kustomize.name.clone()),
        helm,
    })
}

fn read_helm(found: &mut Collector, field: &str, spec: &HelmImage) -> Option<ImageKeys> {
    let mut key = |name: &str, text: &Option<String>| match text {
        Some(text) => found
            .parse(&format!("{field}.{name}"), text, str::parse::<KeyPath>)
            .map(Some),
        None => Some(None),
    };
    let (name, tag, spec) = (
        key("name", &spec.name)?,
        key("tag", &spec.tag)?,
        key("spec", &spec.spec)?,
    );
    match (name, tag, spec) {
        (name, Some(tag), None) => Some(ImageKeys::NameAndTag { name, tag }),
        (None, None, Some(spec)) => Some(ImageKeys::Spec(spec)),
        _ => {
            found.add(field, "set either tag, perhaps with name, or spec");
            None
        }
    }
}

fn read_strategy(found: &mut Collector, field: &str, spec: &StrategySpec) -> Option<Strategy> {
    let order = |order: SortOrder| match order {
        SortOrder::Ascending => Order::Ascending,
        SortOrder::Descending => Order::Descending,
    };
    match (
        &spec.semver,
        &spec.newest_build,
        &spec.alphabetical,
        &spec.numerical,
        &spec.digest,
    ) {
        (Some(semver), None, None, None, None) => found
            .parse(
                &format!("{field}.semver.constraint"),
                &semver.constraint,
                str::parse::<Constraint>,
            )
            .map(Strategy::Semver),
        (None, Some(NewestBuildStrategy {}), None, None, None) => Some(Strategy::NewestBuild),
        (None, None, Some(alphabetical), None, None) => {
            Some(Strategy::Alphabetical(order(alphabetical.order)))
        }
        (None, None, None, Some(numerical), None) => {
            Some(Strategy::Numerical(order(numerical.order)))
        }
        (None, None, None, None, Some(digest)) => found
            .parse(
                &format!("{field}.digest.tag"),
                &digest.tag,
                str::parse::<Tag>,
            )
            .map(Strategy::Digest),
        _ => {
            found.add(
                field,
                "set exactly one strategy: semver, newestBuild, alphabetical, numerical or digest",
            );
            None
        }
    }
}

fn read_filter(found: &mut Collector, field: &str, spec: Option<&TagRules>) -> Option<Filter> {
    let Some(spec) = spec else {
        return Some(Filter::default());
    };
    let allow = match &spec.allow {
        Some(allow) => Some(found.parse(&format!("{field}.allow"), allow, str::parse::<Regexp>)?),
        None => None,
    };
    let ignore = found.each(
        &format!("{field}.ignore"),
        &spec.ignore,
        str::parse::<Pattern>,
    );
    let extract = match &spec.extract {
        Some(extract) => Some(found.parse(
            &format!("{field}.extract"),
            &extract.pattern,
            |pattern| Extract::new(pattern, &extract.value),
        )?),
        None => None,
    };
    Some(Filter {
        allow,
        ignore,
        extract,
    })
}

fn read_git(found: &mut Collector, field: &str, spec: &GitWriteBack) -> Option<GitModel> {
    let url = found.parse(
        &format!("{field}.repository"),
        &spec.repository,
        str::parse::<RemoteUrl>,
    );
    let branch = match &spec.branch {
        Some(branch) => {
            Some(found.parse(&format!("{field}.branch"), branch, str::parse::<BranchName>)?)
        }
        None => None,
    };
    let targets: Vec<Target> = spec
        .targets
        .iter()
        .enumerate()
        .filter_map(|(index, target)| {
            read_target(found, &format!("{field}.targets[{index}]"), target)
        })
        .collect();
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
    Some(GitModel {
        url: url?,
        branch,
        push,
        secret: spec
            .credentials
            .as_ref()
            .map(|credentials| credentials.secret_ref.name.clone()),
        insecure: spec.insecure,
        targets,
        commit,
    })
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

fn read_target(found: &mut Collector, field: &str, spec: &TargetSpec) -> Option<Target> {
    let (field, path, format, files) = match (&spec.kustomization, &spec.helm_values) {
        (Some(target), None) => (
            format!("{field}.kustomization.path"),
            &target.path,
            Format::Kustomization,
            kustomization_files(relative(&target.path)),
        ),
        (None, Some(target)) => (
            format!("{field}.helmValues.path"),
            &target.path,
            Format::HelmValues,
            vec![relative(&target.path).to_owned()],
        ),
        (Some(_), Some(_)) | (None, None) => {
            found.add(field, "set exactly one target: kustomization or helmValues");
            return None;
        }
    };
    if path.starts_with('/') {
        found.add(
            &field,
            &format!(
                "{path:?} starts with a slash; paths start at the repository's root without one"
            ),
        );
        return None;
    }
    let mut parsed = Vec::new();
    for file in &files {
        parsed.push(found.parse(&field, file, str::parse::<RepoPath>)?);
    }
    Some(Target {
        path: path.clone(),
        files: parsed,
        format,
    })
}

/// A path without what says nothing at its ends.
fn relative(path: &str) -> &str {
    path.trim_end_matches('/').trim_start_matches("./")
}

/// The files that a kustomization's path may mean: itself if it is named like one, else the three
/// names in that folder.
fn kustomization_files(path: &str) -> Vec<String> {
    let names = kustomization::FILE_NAMES.iter();
    if names
        .clone()
        .any(|name| path.rsplit('/').next() == Some(name))
    {
        vec![path.to_owned()]
    } else if path == "." || path.is_empty() {
        names.map(ToString::to_string).collect()
    } else {
        names.map(|name| format!("{path}/{name}")).collect()
    }
}

/// Collects problems, so that a user sees all of them at once.
#[derive(Default)]
struct Collector(Vec<Problem>);

impl Collector {
    fn add(&mut self, field: &str, message: &str) {
        self.0.push(Problem {
            field: field.to_owned(),
            message: message.to_owned(),
        });
    }

    fn parse<T, E: fmt::Display>(
        &mut self,
        field: &str,
        text: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match parse(text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, &error.to_string());
                None
            }
        }
    }

    fn each<T, E: fmt::Display>(
        &mut self,
        field: &str,
        texts: &[String],
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        texts
            .iter()
            .enumerate()
            .filter_map(|(index, text)| self.parse(&format!("{field}[{index}]"), text, &parse))
            .collect()
    }

    fn finish(self) -> Result<(), Problems> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Problems(self.0))
        }
    }
}
