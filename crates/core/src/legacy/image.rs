//! The images of an Application, and what is said about each.

use std::collections::BTreeSet;

use super::annotations::{Annotations, Item, Value};
use super::diagnostic::{Problem, Severity};
use super::keys;
use crate::image::{ConstrainedReference, Excerpt, Platform, Repository};
use crate::policy::{Pattern, Regexp, Strategy, StrategyName, parse_allow_tags};

/// The most images a policy holds.
pub(super) const MAX_IMAGES: usize = 64;
/// The most patterns an image may ignore.
const MAX_PATTERNS: usize = 64;
/// The longest of them, in characters.
const MAX_PATTERN_CHARACTERS: usize = 128;
/// The most platforms of an image.
const MAX_PLATFORMS: usize = 16;
/// The longest alias, and name of a Secret, in characters.
const MAX_NAME_CHARACTERS: usize = 253;
/// The longest key of Helm values, and regular expression, in characters.
const MAX_KEY_CHARACTERS: usize = 512;

/// One image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSettings {
    /// Its alias. Where none is written, the image's shortest name; unique in the list.
    pub alias: String,
    /// Where its tags are.
    pub repository: Repository,
    /// Which tag is the best.
    pub strategy: Strategy,
    /// What a tag must match.
    pub allow: Option<Regexp>,
    /// What no tag may match.
    pub ignore: Vec<Pattern>,
    /// Whether it is written even where the Application does not run it.
    pub force_update: bool,
    /// The credentials of the registry.
    pub pull_secret: Option<PullSecret>,
    /// The platforms that a build must have; only with the strategies that look at builds.
    pub platforms: Vec<Platform>,
    /// How it stands in Helm values.
    pub helm: HelmKeys,
    /// Its name in a kustomization, where that is not its own.
    pub kustomize_name: Option<String>,
    /// The variables that hold it for a config management plugin, which no annotation names.
    pub plugin: Option<PluginKeys>,
}

/// The variables of a config management plugin that hold an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginKeys {
    /// The tag, and perhaps the name.
    Tag {
        /// The variable of the name.
        name: Option<String>,
        /// The variable of the tag.
        tag: String,
    },
    /// The variable of both.
    Spec(String),
}

/// How an image stands in Helm values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelmKeys {
    /// In two values.
    NameAndTag {
        /// The key of the name.
        name: String,
        /// The key of the tag.
        tag: String,
    },
    /// In one.
    Spec(String),
}

/// A Secret of the Application's namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PullSecret {
    /// Its name.
    pub name: String,
    /// The key that holds `user:password`; `None` if it is an image pull secret.
    pub key: Option<String>,
}

/// An image of the list while its annotations are read.
struct Reader<'r, 'a> {
    annotations: &'r mut Annotations<'a>,
    /// The alias as annotations have it: their names can't hold a second `/`.
    prefix: Option<String>,
    namespace: &'r str,
    is_refused: bool,
}

/// Reads the list, and the annotations of each image.
pub(super) fn parse<'a>(
    list: Value<'a>,
    namespace: &str,
    annotations: &mut Annotations<'a>,
) -> Vec<ImageSettings> {
    let mut aliases = BTreeSet::new();
    let mut images = Vec::new();
    for item in list.items() {
        if images.len() == MAX_IMAGES {
            let what = "images";
            let limit = MAX_IMAGES;
            annotations.report_at(list, item.column, Problem::TooMany { limit, what });
            break;
        }
        let (alias, text) = match item.text.split_once('=') {
            Some((alias, text)) => (Some(alias.trim()), text),
            None => (None, item.text),
        };
        let item = Item { text, ..item };
        let image = entry(list, item, alias, &mut aliases, namespace, annotations);
        images.extend(image);
    }
    images
}

/// Reads one entry, whose text is the image. `None` if anything about it is wrong.
pub(super) fn entry<'a>(
    list: Value<'a>,
    item: Item<'a>,
    alias: Option<&str>,
    aliases: &mut BTreeSet<String>,
    namespace: &str,
    annotations: &mut Annotations<'a>,
) -> Option<ImageSettings> {
    let mut reader = Reader {
        annotations,
        prefix: alias.map(|alias| alias.replace('/', "_")),
        namespace,
        is_refused: false,
    };
    let reference = match item.text.parse::<ConstrainedReference>() {
        Ok(reference) => Some(reference),
        Err(error) => {
            reader.report(list, item.column, Problem::Image(error));
            None
        }
    };
    let alias = match (alias, &reference) {
        (Some(alias), _) => reader.alias(list, item, alias, aliases),
        (None, Some(reference)) => Some(unused_alias(&reference.repository, aliases)),
        (None, None) => None,
    };
    // All are read whatever is wrong, so that each problem is told at once.
    let name = reader.strategy_name();
    let annotated = reader.own(keys::SEMVER_CONSTRAINT);
    let allow = reader.allow();
    let ignore = reader.ignore();
    let force_update = reader.force_update();
    let pull_secret = reader.pull_secret();
    let platforms = reader.platforms(name);
    let helm = reader.helm();
    let kustomize_name = reader.key(keys::KUSTOMIZE_NAME, MAX_NAME_CHARACTERS);
    let reference = reference?;
    let strategy = reader.strategy(list, item, name, &reference);
    let strategy = match (strategy, annotated) {
        (Some(listed), Some(value)) => reader.constrained(listed, value, &reference),
        (strategy, _) => strategy,
    };
    if reader.is_refused {
        return None;
    }
    Some(ImageSettings {
        alias: alias?,
        repository: reference.repository,
        strategy: strategy?,
        allow,
        ignore,
        force_update,
        pull_secret,
        platforms,
        helm,
        kustomize_name,
        plugin: None,
    })
}

/// The shortest name of an image as an alias, with a number if another has it.
fn unused_alias(repository: &Repository, aliases: &mut BTreeSet<String>) -> String {
    let name = repository.familiar().replace(':', "-");
    let name: String = name.chars().take(MAX_NAME_CHARACTERS - 3).collect();
    let numbered = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.clone()).chain(numbered);
    let free = names.find(|name| !aliases.contains(name)).unwrap_or(name);
    aliases.insert(free.clone());
    free
}

impl<'a> Reader<'_, 'a> {
    fn report(&mut self, value: Value<'_>, column: usize, problem: Problem) {
        self.is_refused |= problem.severity() == Severity::Error;
        self.annotations.report_at(value, column, problem);
    }

    fn alias(
        &mut self,
        list: Value<'_>,
        item: Item<'_>,
        alias: &str,
        aliases: &mut BTreeSet<String>,
    ) -> Option<String> {
        let is_allowed = |it: char| it.is_ascii_alphanumeric() || "._/-".contains(it);
        let problem = if alias.is_empty() || !alias.chars().all(is_allowed) {
            Problem::Alias(Excerpt::new(alias))
        } else if alias.len() > MAX_NAME_CHARACTERS {
            let limit = MAX_NAME_CHARACTERS;
            Problem::TooLong { limit }
        } else if !aliases.insert(alias.to_owned()) {
            Problem::RepeatedAlias(Excerpt::new(alias))
        } else {
            return Some(alias.to_owned());
        };
        self.report(list, item.column, problem);
        None
    }

    /// The value that the image's own annotation has.
    fn own(&mut self, key: &str) -> Option<Value<'a>> {
        let key = format!("{}.{key}", self.prefix.as_ref()?);
        self.annotations.take_text(&key)
    }

    /// The image's own value, else the one for all images.
    fn own_or_common(&mut self, key: &str) -> Option<Value<'a>> {
        // Both are looked at, so that neither seems to have no effect.
        let common = self.annotations.take_text(key);
        self.own(key).or(common)
    }

    fn strategy_name(&mut self) -> StrategyName {
        let Some(value) = self.own_or_common(keys::UPDATE_STRATEGY) else {
            return StrategyName::Semver;
        };
        value.text.parse().unwrap_or_else(|error| {
            self.report(value, 1, Problem::StrategyName(error));
            StrategyName::Semver
        })
    }

    fn strategy(
        &mut self,
        list: Value<'_>,
        item: Item<'_>,
        name: StrategyName,
        reference: &ConstrainedReference,
    ) -> Option<Strategy> {
        if reference.digest.is_some() {
            self.report(list, item.column, Problem::IgnoredDigest);
        }
        if reference.constraint.is_some() && name.ignores_constraint() {
            self.report(list, item.column, Problem::IgnoredConstraint);
        }
        match Strategy::new(name, reference.constraint.as_deref()) {
            Ok(strategy) => Some(strategy),
            Err(error) => {
                self.report(list, item.column, Problem::Strategy(error));
                None
            }
        }
    }

    /// `listed` with the constraint of an annotation that only articles know. Whoever wrote it
    /// relies on it, and without it an image would go on to the next major version.
    fn constrained(
        &mut self,
        listed: Strategy,
        value: Value<'_>,
        reference: &ConstrainedReference,
    ) -> Option<Strategy> {
        if listed.name() != StrategyName::Semver {
            self.report(value, 1, Problem::IgnoredConstraint);
            return Some(listed);
        }
        let annotated = match Strategy::new(StrategyName::Semver, Some(value.text)) {
            Ok(annotated) => annotated,
            Err(error) => {
                self.report(value, 1, Problem::SemverConstraint(error));
                return None;
            }
        };
        let excerpt = Excerpt::new(value.text);
        match reference.constraint.as_deref() {
            None => self.report(value, 1, Problem::ConstraintHonoured(excerpt)),
            Some(_) if annotated == listed => {}
            Some(constraint) => {
                let problem = Problem::ConstraintsDiffer {
                    annotated: excerpt,
                    listed: Excerpt::new(constraint),
                };
                self.report(value, 1, problem);
            }
        }
        Some(annotated)
    }

    fn allow(&mut self) -> Option<Regexp> {
        let tag_match = self.own_or_common(keys::TAG_MATCH);
        let value = self.own_or_common(keys::ALLOW_TAGS).or(tag_match)?;
        match parse_allow_tags(value.text) {
            Ok(Some(allow)) if allow.as_str().chars().count() > MAX_KEY_CHARACTERS => {
                let limit = MAX_KEY_CHARACTERS;
                self.report(value, 1, Problem::TooLong { limit });
                None
            }
            // An empty expression is found in every tag.
            Ok(allow) => allow.filter(|allow| !allow.as_str().is_empty()),
            Err(error) => {
                self.report(value, 1, Problem::AllowTags(error));
                None
            }
        }
    }

    /// An empty list of the image's own takes the place of the one for all.
    fn ignore(&mut self) -> Vec<Pattern> {
        let common = self.annotations.take(keys::IGNORE_TAGS);
        let own = self.prefix.as_ref();
        let own = own.map(|alias| format!("{alias}.{}", keys::IGNORE_TAGS));
        let own = own.and_then(|key| self.annotations.take(&key));
        let Some(value) = own.or(common) else {
            return Vec::new();
        };
        let mut patterns = Vec::new();
        for item in value.items() {
            let (limit, what) = (MAX_PATTERN_CHARACTERS, "patterns");
            if patterns.len() == MAX_PATTERNS {
                let limit = MAX_PATTERNS;
                self.report(value, item.column, Problem::TooMany { limit, what });
                break;
            }
            if item.text.chars().count() > limit {
                self.report(value, item.column, Problem::TooLong { limit });
                continue;
            }
            match item.text.parse() {
                Ok(pattern) => {
                    if matches!(pattern, Pattern::Regexp(_)) {
                        let problem = Problem::RegexpHonoured(Excerpt::new(item.text));
                        self.report(value, item.column, problem);
                    }
                    patterns.push(pattern);
                }
                Err(source) => {
                    let pattern = Excerpt::new(item.text);
                    let problem = Problem::IgnoreTags { pattern, source };
                    self.report(value, item.column, problem);
                }
            }
        }
        patterns
    }

    /// What Go's `strconv.ParseBool` takes.
    fn force_update(&mut self) -> bool {
        let Some(value) = self.own_or_common(keys::FORCE_UPDATE) else {
            return false;
        };
        match value.text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => true,
            "0" | "f" | "F" | "FALSE" | "false" | "False" => false,
            other => {
                self.report(value, 1, Problem::Boolean(Excerpt::new(other)));
                false
            }
        }
    }

    fn pull_secret(&mut self) -> Option<PullSecret> {
        let value = self.own_or_common(keys::PULL_SECRET)?;
        match read_pull_secret(value.text, self.namespace) {
            Ok(secret) => Some(secret),
            Err(problem) => {
                self.report(value, 1, problem);
                None
            }
        }
    }

    fn platforms(&mut self, strategy: StrategyName) -> Vec<Platform> {
        let Some(value) = self.own(keys::PLATFORMS) else {
            return Vec::new();
        };
        if !matches!(strategy, StrategyName::NewestBuild | StrategyName::Digest) {
            self.report(value, 1, Problem::IgnoredPlatforms);
            return Vec::new();
        }
        let mut platforms = Vec::new();
        for item in value.items() {
            if platforms.len() == MAX_PLATFORMS {
                let (limit, what) = (MAX_PLATFORMS, "platforms");
                self.report(value, item.column, Problem::TooMany { limit, what });
                break;
            }
            match item.text.parse() {
                Ok(platform) => platforms.push(platform),
                Err(source) => {
                    let platform = Excerpt::new(item.text);
                    let problem = Problem::Platform { platform, source };
                    self.report(value, item.column, problem);
                }
            }
        }
        platforms
    }

    /// The defaults are the predecessor's.
    fn helm(&mut self) -> HelmKeys {
        let name = self.key(keys::HELM_NAME, MAX_KEY_CHARACTERS);
        let tag = self.key(keys::HELM_TAG, MAX_KEY_CHARACTERS);
        if let Some(spec) = self.key(keys::HELM_SPEC, MAX_KEY_CHARACTERS) {
            return HelmKeys::Spec(spec);
        }
        HelmKeys::NameAndTag {
            name: name.unwrap_or_else(|| "image.name".to_owned()),
            tag: tag.unwrap_or_else(|| "image.tag".to_owned()),
        }
    }

    /// A text of `limit` characters at most.
    fn key(&mut self, key: &str, limit: usize) -> Option<String> {
        let value = self.own(key)?;
        if value.text.chars().count() > limit {
            self.report(value, 1, Problem::TooLong { limit });
            return None;
        }
        Some(value.text.to_owned())
    }
}

fn read_pull_secret(text: &str, namespace: &str) -> Result<PullSecret, Problem> {
    let (form, rest) = text.split_once(':').ok_or(Problem::PullSecret)?;
    let (secret, key) = match form {
        "pullsecret" => (rest, None),
        "secret" => {
            let (secret, key) = rest.split_once('#').ok_or(Problem::PullSecret)?;
            (secret, Some(key.to_owned()))
        }
        "env" | "ext" => return Err(Problem::ForeignPullSecret),
        _ => return Err(Problem::PullSecret),
    };
    let name = own_secret(secret, namespace)?;
    let is_key = |key: &String| (1..=MAX_NAME_CHARACTERS).contains(&key.len());
    if !key.as_ref().is_none_or(is_key) {
        return Err(Problem::PullSecret);
    }
    let name = name.ok_or(Problem::PullSecret)?;
    Ok(PullSecret { name, key })
}

/// The name of a Secret, `[namespace/]name`, of this namespace. `None` if it is no name.
pub(super) fn own_secret(text: &str, namespace: &str) -> Result<Option<String>, Problem> {
    let (other, name) = match text.split_once('/') {
        Some((other, name)) => (other, name),
        None => (namespace, text),
    };
    if other != namespace {
        return Err(Problem::OtherNamespace);
    }
    let is_name = (1..=MAX_NAME_CHARACTERS).contains(&name.len()) && !name.contains('/');
    Ok(is_name.then(|| name.to_owned()))
}
