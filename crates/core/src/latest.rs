//! The newest tags of a repository, for people to look at.

use std::cmp::{Ordering, Reverse};

use crate::image::Candidate;
use crate::version::Version;

/// The `count` newest candidates: versions from the highest down, then the others in descending
/// byte order. It is what a status shows; what runs is decided by a policy.
pub fn latest(candidates: &[Candidate], count: usize) -> Vec<&Candidate> {
    let mut keyed: Vec<(Option<Version<'_>>, &Candidate)> = candidates
        .iter()
        .map(|candidate| (Version::parse(candidate.tag.as_str()).ok(), candidate))
        .collect();
    let order = |a: &(Option<Version<'_>>, &Candidate), b: &(Option<Version<'_>>, &Candidate)| {
        compare(a, b)
    };
    if keyed.len() > count {
        // Only the first few have to be in order.
        if count > 0 {
            keyed.select_nth_unstable_by(count - 1, order);
        }
        keyed.truncate(count);
    }
    keyed.sort_unstable_by(order);
    keyed.into_iter().map(|(_, candidate)| candidate).collect()
}

fn compare(
    a: &(Option<Version<'_>>, &Candidate),
    b: &(Option<Version<'_>>, &Candidate),
) -> Ordering {
    // `None` sorts below any version, so the reverse puts it last.
    Reverse(&a.0)
        .cmp(&Reverse(&b.0))
        .then_with(|| b.1.tag.as_str().cmp(a.1.tag.as_str()))
}
