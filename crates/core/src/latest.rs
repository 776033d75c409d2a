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

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tags: &str, count: usize, expected: &str) {
        let candidate = |text: &str| Candidate::new(text.parse().expect("the row's tags are tags"));
        let candidates: Vec<Candidate> = tags.split_whitespace().map(candidate).collect();
        let shown = latest(&candidates, count);
        let shown: Vec<&str> = shown.iter().map(|it| it.tag.as_str()).collect();
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn versions_come_first_and_the_highest_of_them() {
        check("1.9.0 main 1.10.0 latest", 10, "1.10.0 1.9.0 main latest");
    }

    #[test]
    fn only_the_newest_are_shown() {
        check("1.0.0 1.2.0 1.1.0 a", 2, "1.2.0 1.1.0");
        check("1.0.0", 0, "");
        check("", 3, "");
    }

    #[test]
    fn one_version_of_two_spellings_has_a_stable_order() {
        check("1.0.0 v1.0.0", 2, "v1.0.0 1.0.0");
        check("v1.0.0 1.0.0", 2, "v1.0.0 1.0.0");
    }
}
