//! How the Applications of a policy are, counted and listed. Pure.

use std::collections::BTreeMap;

use super::images::{cut, of_write, severity};
use super::{Attempt, Write};
use crate::api::v1alpha1::{ApplicationCounts, Attention, ImageState, ImageStatus};

/// How many Applications a status lists: with their messages, the images and the history it stays
/// under 64 KiB.
const MOST_LISTED: usize = 50;

/// Counts, and the Applications that are not up to date; nothing for a policy that selects none by
/// itself.
pub(super) fn summarise(attempt: &Attempt) -> Option<(ApplicationCounts, Vec<Attention>)> {
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
        };
        worst.insert(application.clone(), attention);
    }
    for write in &attempt.writes {
        for image in attempt.images.iter() {
            for (application, status) in states(&image.alias, write, attempt) {
                let is_worse = worst
                    .get(&application)
                    .is_none_or(|known| severity(known.state) < severity(status.state));
                if is_worse {
                    worst.insert(application.clone(), attention(application, status));
                }
            }
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
    Some((counts, listed))
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
    }
}
