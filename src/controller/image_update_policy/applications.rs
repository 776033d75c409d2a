//! How the Applications of a policy are, counted and listed. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::images::{cut, failure, of_write, severity};
use super::{Attempt, Write};
use crate::api::v1alpha1::{ApplicationCounts, Attention, ImageState, ImageStatus};
use crate::controller::error::Error;

/// How many Applications a status lists: with their messages, the images and the history it stays
/// under 64 KiB.
const MOST_LISTED: usize = 50;

/// Counts, and the Applications that are not up to date, each since it is as it is by what was listed
/// `before`; nothing for a policy that selects none by itself.
pub(super) fn summarise(
    attempt: &Attempt,
    before: &[Attention],
    now: Timestamp,
) -> Option<(ApplicationCounts, Vec<Attention>)> {
    let matched = attempt.matched?;
    let mut worst: BTreeMap<String, Attention> = BTreeMap::new();
    for (application, error) in &attempt.refused {
        let attention = Attention {
            application: application.clone(),
            alias: None,
            state: ImageState::Failed,
            tag: None,
            reason: error.reason(),
            message: cut(&error.chain()),
            since: None,
        };
        worst.insert(application.clone(), attention);
    }
    let placed = attempt.writes.iter().flat_map(|write| {
        let images = attempt.images.iter();
        images.flat_map(|image| states(&image.alias, write, attempt))
    });
    for (application, status) in undecided(attempt).into_iter().chain(placed) {
        let is_worse = worst
            .get(&application)
            .is_none_or(|known| severity(known.state) < severity(status.state));
        if is_worse {
            worst.insert(application.clone(), attention(application, status));
        }
    }
    let count = |states: &[ImageState]| {
        let found = worst.values().filter(|it| states.contains(&it.state));
        u32::try_from(found.count()).unwrap_or(u32::MAX)
    };
    let counts = ApplicationCounts {
        matched: u32::try_from(matched).unwrap_or(u32::MAX),
        up_to_date: count(&[ImageState::UpToDate]),
        not_live: count(&[ImageState::NotLive]),
        pending: count(&[ImageState::Pending, ImageState::Suspended]),
        held: count(&[ImageState::Held, ImageState::NoCandidate]),
        failed: count(&[ImageState::Failed]),
    };
    let mut listed: Vec<Attention> = worst
        .into_values()
        .filter(|it| it.state != ImageState::UpToDate)
        .collect();
    // The worst first; among equals by name, so that a status does not flicker.
    listed.sort_by_key(|it| std::cmp::Reverse(severity(it.state)));
    listed.truncate(MOST_LISTED);
    for it in &mut listed {
        it.since = Some(since(it, before).unwrap_or(Time(now)));
    }
    Some((counts, listed))
}

/// The counts and the list while the policy itself has an error, so that nothing is decided for any
/// of the Applications that it was known to select.
pub(super) fn with_error_of_policy(
    error: &Error,
    known: ApplicationCounts,
    listed: &[Attention],
) -> (ApplicationCounts, Vec<Attention>) {
    if matches!(error, Error::NoApplication) {
        return (ApplicationCounts::default(), Vec::new());
    }
    let counts = ApplicationCounts {
        matched: known.matched,
        failed: known.matched,
        ..ApplicationCounts::default()
    };
    (counts, listed.to_vec())
}

/// How many Applications are not up to date beside those that are listed.
pub(super) fn omitted((counts, listed): &(ApplicationCounts, Vec<Attention>)) -> u32 {
    let ApplicationCounts {
        matched: _,
        up_to_date: _,
        not_live,
        pending,
        held,
        failed,
    } = counts;
    let listed = u32::try_from(listed.len()).unwrap_or(u32::MAX);
    (not_live + pending + held + failed).saturating_sub(listed)
}

/// Since when an Application has been as it is, if it was listed so before.
fn since(now: &Attention, before: &[Attention]) -> Option<Time> {
    let same = before.iter().find(|old| {
        old.application == now.application
            && old.alias == now.alias
            && old.state == now.state
            && old.reason == now.reason
    });
    same?.since.clone()
}

/// An image whose tags are not known, or of which something could not be looked up, is undecided for
/// every Application.
fn undecided(attempt: &Attempt) -> Vec<(String, ImageStatus)> {
    let Some(image) = attempt.images.iter().find_map(|it| failure(it, attempt)) else {
        return Vec::new();
    };
    let looked_at = attempt.writes.iter().flat_map(|write| &write.applications);
    let all = attempt.skipped.iter().chain(looked_at).cloned();
    all.map(|name| (name, image.clone())).collect()
}

/// The states of an image at one destination. An error of the destination as a whole is that of
/// every Application in it.
fn states(alias: &str, write: &Write, attempt: &Attempt) -> Vec<(String, ImageStatus)> {
    let known = of_write(alias, write, attempt.model.dry_run).into_iter();
    known
        .flat_map(|(application, status)| {
            let own = application.map(|application| vec![application]);
            let names = own.unwrap_or_else(|| write.applications.clone());
            names.into_iter().map(move |name| (name, status.clone()))
        })
        .collect()
}

fn attention(application: String, status: ImageStatus) -> Attention {
    Attention {
        application,
        alias: Some(status.alias),
        state: status.state,
        tag: status.selected,
        reason: status.reason,
        message: cut(&status.message),
        since: None,
    }
}
