//! Chooses a tag as the operator does: asks the registry for the images behind tags, until what is
//! known of them decides.

use std::collections::BTreeMap;

use image_update_core::image::{Candidate, Repository, Sightings};
use image_update_core::plan::{Choice, DigestRule, Digests, ImageInput, Known, choose_tag};
use image_update_core::policy::{Decision, Policy};

use super::clock::now;
use super::failure::Failure;
use super::progress::Progress;
use crate::registry::{Access, Builds, Client, Error, MAX_QUESTION, Question};

/// Why the registry is not asked.
#[derive(Debug, thiserror::Error)]
#[error(
    "{count} tags are to be compared by the time of their builds, and at most {MAX_QUESTION} are asked for"
)]
struct TooMany {
    count: usize,
}

/// Chooses among `candidates` of `repository`. What the registry answers is given to `explain`,
/// for a person to know what to do.
pub(super) async fn choose(
    client: &Client,
    repository: &Repository,
    access: &Access,
    policy: &Policy,
    current: Option<&str>,
    candidates: &[Candidate],
    explain: impl Fn(Error) -> Failure,
) -> Result<Decision, Failure> {
    let now = now();
    let builds = Builds::new(client.clone(), None).map_err(Failure::failed)?;
    let question = Question {
        repository,
        access,
        platforms: &policy.checks.platforms,
        needs_time: true,
    };
    let sightings = Sightings::new(now);
    let (mut looks, digests) = (BTreeMap::new(), Digests::new());
    loop {
        let input = ImageInput {
            alias: "",
            repository,
            kustomize_name: None,
            helm: None,
            plugin: None,
            markers: &[],
            only_live: false,
            policy,
            digest: DigestRule::Never,
            candidates,
            settled: None,
            known: Known {
                looks: &looks,
                sightings: &sightings,
                now,
                last: None,
            },
        };
        let tags = match choose_tag(&input, current, &digests) {
            Choice::Decided { decision, .. } => return Ok(decision),
            Choice::NeedsLooks(tags) => tags,
            // Not with digests that are not written.
            Choice::NeedsDigest(tag) => vec![tag],
        };
        if tags.len() > MAX_QUESTION {
            let count = tags.len();
            return Err(Failure::failed(TooMany { count })
                .hint("narrow them with --allow-tags or --ignore-tags"));
        }
        let _progress =
            Progress::start(format!("Looking at {} images of {repository}", tags.len()));
        let asked: Vec<_> = tags.into_iter().map(|tag| (tag, None)).collect();
        looks.extend(builds.look(&question, &asked).await.map_err(&explain)?);
    }
}
