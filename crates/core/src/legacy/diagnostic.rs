//! What is wrong with an annotation, where, and the way out.

use std::fmt;

use super::keys::PREFIX;
use crate::image::{ConstrainedReferenceError, Excerpt, PlatformError};
use crate::policy::{AllowTagsError, PatternError, StrategyError, StrategyNameError};
use crate::remote::RemoteUrlError;
use crate::template::BranchTemplateError;

/// A problem of one annotation, or of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    place: Place,
    /// What is wrong.
    pub problem: Problem,
}

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// In the value of an annotation.
    Annotation {
        /// Its name without the prefix.
        key: Excerpt,
        /// The character of its value, from 1.
        column: usize,
    },
    /// In a field, such as `spec.applicationRefs[0].images[1].alias`.
    Field(String),
}

/// What a problem does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something has no effect here that somebody wrote.
    Warning,
    /// The image, or what the annotation is about, is left alone.
    Error,
}

/// What is wrong. Never repeats a value that may hold a password.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Problem {
    /// An entry of the list of images can't be read.
    #[error("the image is not valid")]
    Image(#[source] ConstrainedReferenceError),
    /// An alias with characters that aliases here can't have.
    #[error("the alias {0} has characters other than letters, digits, . _ / and -")]
    Alias(Excerpt),
    /// Two images of one alias.
    #[error("the alias {0} is another image's already")]
    RepeatedAlias(Excerpt),
    /// There is no such strategy.
    #[error(transparent)]
    StrategyName(StrategyNameError),
    /// Strategy and constraint do not go together.
    #[error(transparent)]
    Strategy(StrategyError),
    /// The constraint of an image whose strategy has no use for one.
    #[error("the constraint has no effect with this strategy")]
    IgnoredConstraint,
    /// A constraint of an annotation that the predecessor did not read.
    #[error(
        "the old updater did not read this annotation and took any version; here {0} is the \
         constraint, as image-list has none"
    )]
    ConstraintHonoured(Excerpt),
    /// It is another one than that of the list.
    #[error("the constraint {annotated} is not that of image-list, which is {listed}")]
    ConstraintsDiffer {
        /// What the annotation says.
        annotated: Excerpt,
        /// What the list says.
        listed: Excerpt,
    },
    /// It is not valid.
    #[error(transparent)]
    SemverConstraint(StrategyError),
    /// The digest of an image in the list.
    #[error("the digest has no effect: which one is written is what the update decides")]
    IgnoredDigest,
    /// The rule of tags to allow is not valid.
    #[error(transparent)]
    AllowTags(AllowTagsError),
    /// A pattern of tags to ignore is not valid.
    #[error("{pattern} is not a pattern of tags")]
    IgnoreTags {
        /// The pattern.
        pattern: Excerpt,
        /// What is wrong with it.
        source: PatternError,
    },
    /// A pattern that the predecessor read otherwise.
    #[error(
        "the old updater took {0} for a glob, which no tag matched; here it is a regular expression"
    )]
    RegexpHonoured(Excerpt),
    /// A platform is not valid.
    #[error("{platform} is not a platform")]
    Platform {
        /// The text.
        platform: Excerpt,
        /// What is wrong with it.
        source: PlatformError,
    },
    /// Platforms of an image whose strategy does not look at them.
    #[error("platforms have an effect with newest-build and digest only")]
    IgnoredPlatforms,
    /// Neither true nor false.
    #[error("{0} is neither true nor false")]
    Boolean(Excerpt),
    /// The credentials of a registry in a form that is not known.
    #[error("the pull secret has none of the known forms")]
    PullSecret,
    /// The credentials come from the operator's environment or a program.
    #[error(
        "the pull secret is taken from the operator's own surroundings, which no namespace may do"
    )]
    ForeignPullSecret,
    /// A Secret of another namespace.
    #[error("the Secret is of another namespace than the Application")]
    OtherNamespace,
    /// A way of writing that is not known.
    #[error("{0} is not a way to write back")]
    Method(Excerpt),
    /// A target that can't be written.
    #[error("a kustomization can't be an override file")]
    OverrideIsKustomization,
    /// More `..` than there are folders, or no source to start from.
    #[error("the path leaves the repository, or the source it starts from is not known")]
    TargetPath,
    /// The branch is not valid.
    #[error(transparent)]
    Branch(BranchTemplateError),
    /// The address is not valid.
    #[error(transparent)]
    Repository(RemoteUrlError),
    /// The address is one in the clear.
    #[error("whoever is on the way to a plain http:// repository can read the credentials")]
    PlainHttp,
    /// An annotation that says something about nothing.
    #[error("the annotation has no effect: it is not known, or no image has its alias")]
    Unused,
    /// An annotation that only the other way of writing looks at.
    #[error("it has no effect unless the method to write back is git")]
    NeedsGit,
    /// A value of another type.
    #[error("the value is not {expected}")]
    FieldType {
        /// What it should be.
        expected: &'static str,
    },
    /// A field that has no meaning, there or at all.
    #[error("the field is not known")]
    UnknownField,
    /// A field whose value changes nothing.
    #[error("the field has no effect")]
    FieldWithoutEffect,
    /// A glob of names that can't be read, or none.
    #[error("{0} is not a pattern of names")]
    NamePattern(Excerpt),
    /// Labels that are asked for otherwise than by their values.
    #[error("policies select by values of labels only")]
    MatchExpressions,
    /// Applications whose annotations say everything.
    #[error("annotations need no object here: the operator reads those of every Application")]
    UseAnnotations,
    /// An object that selects no Applications.
    #[error("there is no reference to Applications")]
    NoReferences,
    /// Applications without an image that is left.
    #[error("there is no image")]
    NoImages,
    /// Two references for one Application.
    #[error(
        "an Application may be selected by applicationRefs[{other}], too, and would be by both \
         policies"
    )]
    Overlap {
        /// The other's place, from 0.
        other: usize,
    },
    /// Pull requests are asked for.
    #[error("no pull requests are opened")]
    PullRequest,
    /// Signatures are asked for.
    #[error("signatures are not verified, so what wants it is left out")]
    Verification,
    /// A plugin's variable of the name without one of the tag.
    #[error("the variable of the name needs one of the tag")]
    PluginNameAlone,
    /// More than an object may hold.
    #[error("there are more than {limit} {what}")]
    TooMany {
        /// The most.
        limit: usize,
        /// Of what.
        what: &'static str,
    },
    /// Longer than an object may hold.
    #[error("the value is longer than {limit} characters")]
    TooLong {
        /// The most.
        limit: usize,
    },
}

impl Problem {
    /// What it does.
    pub fn severity(&self) -> Severity {
        match self {
            Self::IgnoredConstraint
            | Self::ConstraintHonoured(_)
            | Self::IgnoredDigest
            | Self::IgnoredPlatforms
            | Self::NeedsGit
            | Self::RegexpHonoured(_)
            | Self::FieldWithoutEffect
            | Self::UseAnnotations
            | Self::Overlap { .. }
            | Self::Unused => Severity::Warning,
            Self::Image(_)
            | Self::Alias(_)
            | Self::RepeatedAlias(_)
            | Self::StrategyName(_)
            | Self::Strategy(_)
            | Self::ConstraintsDiffer { .. }
            | Self::SemverConstraint(_)
            | Self::AllowTags(_)
            | Self::IgnoreTags { .. }
            | Self::Platform { .. }
            | Self::Boolean(_)
            | Self::PullSecret
            | Self::ForeignPullSecret
            | Self::OtherNamespace
            | Self::Method(_)
            | Self::OverrideIsKustomization
            | Self::TargetPath
            | Self::Branch(_)
            | Self::Repository(_)
            | Self::PlainHttp
            | Self::FieldType { .. }
            | Self::UnknownField
            | Self::NamePattern(_)
            | Self::MatchExpressions
            | Self::NoReferences
            | Self::NoImages
            | Self::PullRequest
            | Self::Verification
            | Self::PluginNameAlone
            | Self::TooMany { .. }
            | Self::TooLong { .. } => Severity::Error,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Image(_) => "write [alias=]image[:constraint], entries separated by commas",
            Self::Alias(_) => {
                "choose another alias, here and in the annotations that begin with it"
            }
            Self::RepeatedAlias(_) => "give each image an alias of its own",
            Self::StrategyName(_) => "write semver, newest-build, alphabetical or digest",
            Self::Strategy(_) => "change what follows the image's colon in image-list",
            Self::ConstraintHonoured(_) => {
                "write it behind the image's colon in image-list instead; or remove it, if any \
                 version will do"
            }
            Self::ConstraintsDiffer { .. } => {
                "keep one: that of image-list is the one that the old updater read"
            }
            Self::SemverConstraint(_) => "write a range of versions such as >=1.2.0 <2.0.0",
            Self::IgnoredConstraint => "leave it out, or use allow-tags",
            Self::IgnoredDigest => "leave it out",
            Self::AllowTags(_) => "write any, or regexp: and a regular expression",
            Self::IgnoreTags { .. } => "write globs such as *-rc*, separated by commas",
            Self::RegexpHonoured(_) => {
                "nothing, if tags in which it is found are to be ignored; else remove it"
            }
            Self::Platform { .. } => "write os/architecture or os/architecture/variant",
            Self::IgnoredPlatforms | Self::Unused | Self::FieldWithoutEffect => "remove it",
            Self::Boolean(_) => "write true or false",
            Self::PullSecret => "write pullsecret:[namespace/]name or secret:[namespace/]name#key",
            Self::ForeignPullSecret => {
                "put the credentials into a Secret and write pullsecret:name"
            }
            Self::OtherNamespace => "copy the Secret into the Application's namespace",
            Self::Method(_) => "write argocd, git, git:repocreds or git:secret:name",
            Self::OverrideIsKustomization => "write kustomization: and the folder",
            Self::TargetPath => "write the path from the repository's root, with a leading /",
            Self::Branch(_) => "write base, base:new or :new, where new may be a template",
            Self::Repository(_) | Self::PlainHttp => {
                "write an https:// address without credentials, or one of SSH"
            }
            Self::NeedsGit => "remove it, or set the method to git",
            Self::FieldType { .. } => "write it as the predecessor's schema has it",
            Self::UnknownField => "remove it, or write what it means into the policy",
            Self::NamePattern(_) => "write a glob such as shop-*",
            Self::MatchExpressions => "give the Applications a label, and select that",
            Self::UseAnnotations => {
                "give the Applications to convert for policies that do not depend on annotations"
            }
            Self::NoReferences => "list one, with a namePattern and images",
            Self::NoImages => "list an image, or set useAnnotations",
            Self::Overlap { .. } => {
                "narrow one of the two; until then the policy that is older writes"
            }
            Self::PullRequest => {
                "remove it and write branch: \"base:new\"; open the request from that branch by CI"
            }
            Self::Verification => {
                "verify signatures where images are admitted, and remove it or set enabled: false"
            }
            Self::PluginNameAlone => "write tag, too, or spec instead of both",
            Self::TooMany { .. } | Self::TooLong { .. } => "write less",
        }
    }
}

impl Diagnostic {
    pub(super) fn new(key: &str, column: usize, problem: Problem) -> Self {
        let key = Excerpt::new(key);
        let place = Place::Annotation { key, column };
        Self { place, problem }
    }

    /// A problem of the field at a path, which can be shown.
    pub(super) fn of_field(path: &str, problem: Problem) -> Self {
        let place = Place::Field(path.to_owned());
        Self { place, problem }
    }

    /// Whether it is about the annotation `key`.
    pub(super) fn is_about(&self, key: &str) -> bool {
        match &self.place {
            Place::Annotation { key: found, .. } => *found == Excerpt::new(key),
            Place::Field(_) => false,
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, problem } = self;
        match place {
            Place::Annotation { key, column } => {
                write!(formatter, "{PREFIX}{}:{column}: {problem}", key.as_str())?;
            }
            Place::Field(path) => write!(formatter, "{path}: {problem}")?,
        }
        // Only the causes that the message does not end with already.
        let mut said = problem.to_string();
        let mut cause = std::error::Error::source(problem);
        while let Some(error) = cause {
            let text = error.to_string();
            if !said.ends_with(&text) {
                write!(formatter, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}
