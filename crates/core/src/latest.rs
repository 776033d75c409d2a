//! The newest tags of a repository, for people to look at.

use std::cmp::Reverse;

use crate::image::{Tag, TagSet};
use crate::version::Version;

/// What newest tags are ordered by: versions from the highest down, then the others in descending
/// byte order. `None` sorts below any version, so the reverse puts it last.
type Key<'a> = (Reverse<Option<Version<'a>>>, Reverse<&'a str>);

/// The `count` newest tags. It is what a status shows; what runs is decided by a policy.
pub fn latest(tags: &TagSet, count: usize) -> Vec<Tag> {
    let key = |tag| (Reverse(Version::parse(tag).ok()), Reverse(tag));
    let mut keyed: Vec<Key<'_>> = tags.iter().map(key).collect();
    if keyed.len() > count {
        // Only the first few have to be in order.
        if count > 0 {
            keyed.select_nth_unstable(count - 1);
        }
        keyed.truncate(count);
    }
    keyed.sort_unstable();
    let tags = keyed.into_iter().map(|(_, Reverse(tag))| tag);
    tags.map(Tag::trusted).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(tags: &str, count: usize, expected: &str) {
        let tag = |text: &str| text.parse().expect("the row's tags are tags");
        let tags: TagSet = tags.split_whitespace().map(tag).collect();
        let shown = latest(&tags, count);
        let shown: Vec<&str> = shown.iter().map(Tag::as_str).collect();
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
