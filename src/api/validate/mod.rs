//! Specs become the core's types, or a list of everything that is wrong with them.
//!
//! The schema and its CEL rules refuse what they can state at `kubectl apply`. What is left is
//! found here: patterns, constraints, addresses. Every problem names its field, the value and the
//! way out.

mod image;
mod pins;
mod problems;
mod write_back;

use std::sync::LazyLock;
use std::time::Duration;

use image_update_core::duration;
use image_update_core::image::Repository;
use image_update_core::plan::DigestRule;
use image_update_core::policy::{Policy, Regexp};
use image_update_core::target::ImageKeys;
use image_update_core::yaml::KeyPath;

use super::v1alpha1::{ImageUpdatePolicySpec, ImageWatchSpec, default_exclude_tags};
use image::read_image;
pub use pins::pin;
use problems::Collector;
pub use problems::Problems;
pub use write_back::{
    ApplicationRule, CommitModel, CredentialsModel, GitModel, Reach, TargetFormat, TargetModel,
    TargetPlace, WriteBackModel, from_root, one_application, place, selects,
};

/// The interval of an object whose own can't be read.
const FALLBACK_INTERVAL: Duration = Duration::from_mins(5);

/// What most watches exclude, compiled once: it takes as long as reading a list of tags.
static DEFAULT_EXCLUDE: LazyLock<Vec<Regexp>> = LazyLock::new(|| {
    let patterns = default_exclude_tags();
    let parsed = patterns.iter().map(|pattern| pattern.parse());
    parsed
        .collect::<Result<_, _>>()
        .expect("the default is a regular expression")
});

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
    pub fn excludes(&self, tag: &str) -> bool {
        self.exclude.iter().any(|pattern| pattern.is_match(tag))
    }
}

/// An [`ImageUpdatePolicySpec`] that was read.
#[derive(Clone, Debug)]
pub struct PolicyModel {
    /// The images, in the order of the spec.
    pub images: Vec<ImageModel>,
    /// Where they are written.
    pub write_back: WriteBackModel,
    /// The Applications whose sources are written; empty where git is written directly.
    pub applications: Vec<ApplicationRule>,
    /// Decide and report only.
    pub dry_run: bool,
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
    pub helm: Option<ImageKeys<KeyPath>>,
    /// The variables that hold it for a plugin.
    pub plugin: Option<ImageKeys<String>>,
    /// It is written only where the Application runs it.
    pub only_live: bool,
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
    let exclude = if spec.exclude_tags == default_exclude_tags() {
        DEFAULT_EXCLUDE.clone()
    } else {
        found.each("spec.excludeTags", &spec.exclude_tags, str::parse::<Regexp>)
    };
    match (repository, interval, timeout, found.finish()) {
        (Some(repository), Some(interval), Some(timeout), Ok(())) => Ok(WatchModel {
            repository,
            interval,
            timeout,
            exclude,
        }),
        (_, _, _, Err(problems)) => Err(problems),
        (_, _, _, Ok(())) => Err(Problems::none()),
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
    let applications = write_back::read_applications(&mut found, spec);
    let write_back = write_back::read_write_back(&mut found, spec);
    match (write_back, found.finish()) {
        (Some(write_back), Ok(())) => Ok(PolicyModel {
            images,
            write_back,
            applications,
            dry_run: spec.dry_run,
        }),
        (_, Err(problems)) => Err(problems),
        (None, Ok(())) => Err(Problems::none()),
    }
}
