//! `test`: asks the registry for the tags of an image, and shows what would be selected.

use std::time::Duration;

use clap::Args;
use image_update_core::duration;
use image_update_core::image::{
    Candidate, ConstrainedReference, ConstrainedReferenceError, Digest, Platform, Repository, Tag,
};
use image_update_core::policy::{Checks, Policy, Strategy, StrategyName};
use serde::Serialize;

use super::access::AccessFlags;
use super::failure::{Failure, warn};
use super::looks;
use super::output::{OutputFlag, columns};
use super::progress::Progress;
use super::selection::{self, Outcome, SelectionFlags};
use crate::registry::{Access, Client, Error, TagList};

/// Every strategy.
const STRATEGIES: [StrategyName; 5] = [
    StrategyName::Semver,
    StrategyName::NewestBuild,
    StrategyName::Alphabetical,
    StrategyName::Numerical,
    StrategyName::Digest,
];

/// Flags of `test`.
#[derive(Args, Debug)]
pub(super) struct TestArgs {
    /// The image, with a constraint behind a colon if you like: `nginx`, `ghcr.io/org/app:^1.2`
    #[arg(value_name = "IMAGE")]
    image: String,

    /// What makes one tag better than another
    #[arg(
        long,
        visible_alias = "update-strategy",
        value_name = "STRATEGY",
        ignore_case = true,
        default_value = "semver",
        value_parser = selection::strategy_parser(&STRATEGIES)
    )]
    strategy: StrategyName,

    /// For semver the range of versions, such as `>=1.2.0 <2.0.0`; for digest the tag to follow.
    /// Unset: what IMAGE has behind its colon
    #[arg(long, visible_alias = "semver-constraint", value_name = "CONSTRAINT")]
    constraint: Option<String>,

    #[command(flatten)]
    selection: SelectionFlags,

    /// Platforms that the image must have, such as `linux/amd64`, separated by commas. Unset: none
    /// is asked for
    #[arg(long, value_name = "OS/ARCH,…", value_delimiter = ',')]
    platforms: Vec<Platform>,

    /// How old the build of an image must be, such as `24h`. Unset: any age will do
    #[arg(long, value_name = "DURATION", value_parser = duration::parse)]
    minimum_age: Option<Duration>,

    #[command(flatten)]
    access: AccessFlags,

    #[command(flatten)]
    output: OutputFlag,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    image: String,
    /// How many tags there are; digest asks for one only, and does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<usize>,
    /// What the tag to follow names now.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(flatten)]
    outcome: Outcome,
}

/// What the registry said.
struct Found {
    candidates: Vec<Candidate>,
    tags: Option<usize>,
    digest: Option<Digest>,
}

/// Why IMAGE and the flags do not go together.
#[derive(Debug, thiserror::Error)]
enum ImageError {
    #[error("IMAGE has a constraint behind its colon, and --constraint another")]
    TwoConstraints,
    #[error("IMAGE has a digest, which names one image for ever: there is nothing to select")]
    HasDigest,
}

/// Asks, selects, and prints the decision.
#[tokio::main(flavor = "current_thread")]
pub(super) async fn run(args: &TestArgs) -> Result<(), Failure> {
    crate::tls::install_provider();
    let (repository, constraint) = args.repository_and_constraint()?;
    let strategy = selection::strategy(args.strategy, "--constraint", constraint.as_deref())?;
    let policy = Policy {
        checks: Checks {
            platforms: args.platforms.clone(),
            minimum_age: args.minimum_age.unwrap_or_default(),
        },
        ..args.selection.policy(strategy)?
    };
    let access = args.access.access(&repository).await?;
    let explain = |error: Error| {
        let hint = hint(&error, access.credential.is_some());
        Failure::failed(error).hint(hint)
    };
    let client = Client::new();
    let found = ask(&client, &repository, &policy, &access).await;
    let found = found.map_err(explain)?;
    let candidates = &found.candidates;
    let current = args.selection.current();
    let decision = looks::choose(
        &client,
        &repository,
        &access,
        &policy,
        current,
        candidates,
        explain,
    );
    let report = Report {
        image: repository.to_string(),
        tags: found.tags,
        digest: found.digest.map(|digest| digest.to_string()),
        outcome: Outcome::of(&decision.await?),
    };
    args.output.print(&report, table)
}

impl TestArgs {
    fn repository_and_constraint(&self) -> Result<(Repository, Option<String>), Failure> {
        let image: ConstrainedReference =
            self.image
                .parse()
                .map_err(|error: ConstrainedReferenceError| {
                    // The image itself is not repeated: a URL may hold a password.
                    Failure::input(error)
                        .about("IMAGE")
                        .hint("write registry/repository, such as ghcr.io/org/app or nginx")
                })?;
        let ConstrainedReference {
            repository,
            constraint,
            digest,
        } = image;
        if digest.is_some() {
            return Err(Failure::input(ImageError::HasDigest).hint("leave out @ and the digest"));
        }
        match (constraint, &self.constraint) {
            (Some(_), Some(_)) => {
                Err(Failure::input(ImageError::TwoConstraints).hint("leave out one of them"))
            }
            (Some(constraint), None) => Ok((repository, Some(constraint.into_string()))),
            (None, constraint) => Ok((repository, constraint.clone())),
        }
    }
}

/// Asks for what the strategy looks at: every tag, or the digest of the one to follow.
async fn ask(
    client: &Client,
    repository: &Repository,
    policy: &Policy,
    access: &Access,
) -> Result<Found, Error> {
    let _progress = {
        let client = client.clone();
        let message = format!("asking for the tags of {repository}");
        Progress::counting(message, move || client.listed().to_string())
    };
    if let Strategy::Digest(tag) = &policy.strategy {
        return follow(client, repository, tag, access).await;
    }
    let TagList { tags, skipped, .. } = client.list_tags(repository, access).await?;
    if let Some(skipped) = skipped {
        warn(&format!(
            "{repository}: {} entries of the list are no tags, such as {}",
            skipped.count, skipped.first
        ));
    }
    Ok(Found {
        tags: Some(tags.len()),
        candidates: tags.tags().map(Candidate::new).collect(),
        digest: None,
    })
}

async fn follow(
    client: &Client,
    repository: &Repository,
    tag: &Tag,
    access: &Access,
) -> Result<Found, Error> {
    let digest = client.resolve_digest(repository, tag, access).await?;
    Ok(Found {
        candidates: vec![Candidate::new(tag.clone())],
        tags: None,
        digest: Some(digest),
    })
}

/// What a person at a terminal can do about a registry's error.
fn hint(error: &Error, has_credential: bool) -> &'static str {
    if matches!(error, Error::PlainHttp { .. }) {
        return "--insecure allows plain HTTP";
    }
    if matches!(error, Error::Tls { .. }) {
        return "--ca-file FILE trusts the authority of its certificate";
    }
    if matches!(error, Error::Certificates { .. }) {
        return "write certificates as PEM into --ca-file";
    }
    if matches!(error, Error::Connect { .. }) {
        return "check the registry's name and the way to it";
    }
    if matches!(error, Error::Timeout { .. }) {
        return "--timeout gives it longer";
    }
    if matches!(error, Error::TagNotFound { .. }) {
        return "digest follows one tag: name one that is there";
    }
    let is_refused = matches!(
        error,
        Error::Unauthorized { .. } | Error::Forbidden { .. } | Error::RepositoryNotFound { .. }
    );
    match (is_refused, has_credential) {
        (true, true) => "check the name, and whether the credential may read it",
        (true, false) => {
            "it was asked as anybody: give --credentials env:NAME or --docker-config FILE \
             (programs that keep docker's passwords are not run)"
        }
        (false, _) => "try again later, or ask whoever runs the registry",
    }
}

fn table(report: &Report) -> String {
    let Report {
        image,
        tags,
        digest,
        outcome,
    } = report;
    let tags = tags.map(|tags| tags.to_string());
    let mut rows = vec![["image", image.as_str()]];
    rows.extend(tags.as_deref().map(|tags| ["tags", tags]));
    rows.extend(digest.as_ref().map(|digest| ["digest", digest.as_str()]));
    rows.extend(outcome.facts());
    columns(&rows) + &outcome.rejected_table()
}
