//! When the tags of a repository were first seen: an age for images that hide theirs.
//!
//! What a registry lists has no times. So the first list says when looking began, and each later
//! one which tags are new. Times are those of scans, never of pushes, so an age is too short
//! rather than too long.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::tag::Tag;
use super::tag_set::TagSet;

/// The most new tags that are remembered, the newest sightings first. A repository with more new
/// tags than that within somebody's minimum age dates the others by [`Sightings::since`].
const MAX_TAGS: usize = 64;

/// When tags were first seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sightings {
    since: Timestamp,
    tags: BTreeMap<Tag, Timestamp>,
}

impl Sightings {
    /// The sightings of somebody who saw a first list at `now`: every tag of it was seen then.
    pub fn new(now: Timestamp) -> Self {
        Self {
            since: now,
            tags: BTreeMap::new(),
        }
    }

    /// When the first list was seen. A tag that is not remembered is dated by it.
    pub fn since(&self) -> Timestamp {
        self.since
    }

    /// The tags that are remembered.
    pub fn tags(&self) -> impl Iterator<Item = (&Tag, Timestamp)> {
        self.tags.iter().map(|(tag, time)| (tag, *time))
    }

    /// When `tag` was first seen, as far as is known.
    pub fn first_seen(&self, tag: &Tag) -> Timestamp {
        self.tags.get(tag).copied().unwrap_or(self.since)
    }

    /// The sightings after a list that was seen at `now`.
    #[must_use]
    pub fn after(&self, before: &TagSet, list: &TagSet, now: Timestamp) -> Self {
        let mut tags: BTreeMap<Tag, Timestamp> = list
            .tags()
            .filter(|tag| !before.contains(tag))
            .map(|tag| (tag, now))
            .collect();
        for (tag, time) in &self.tags {
            // One that went and came back may be another image: it is seen anew.
            if list.contains(tag) {
                tags.insert(tag.clone(), *time);
            }
        }
        Self {
            since: self.since,
            tags: newest(tags),
        }
    }

    /// The same with what somebody wrote down earlier. The earlier of two times counts.
    #[must_use]
    pub fn with(mut self, earlier: impl IntoIterator<Item = (Tag, Timestamp)>) -> Self {
        for (tag, time) in earlier {
            let known = self.first_seen(&tag);
            self.tags.insert(tag, time.min(known));
        }
        self.tags = newest(self.tags);
        self
    }

    /// The same for who looks at `now`, where that changes anything: nothing was seen later. A clock
    /// that was ahead and was set right would else keep tags young for as long as it was ahead.
    #[must_use]
    pub fn not_after(&self, now: Timestamp) -> Option<Self> {
        let is_later = self.since > now || self.tags.values().any(|time| *time > now);
        is_later.then(|| Self {
            since: self.since.min(now),
            tags: self
                .tags
                .iter()
                .map(|(tag, time)| (tag.clone(), (*time).min(now)))
                .collect(),
        })
    }
}

fn newest(tags: BTreeMap<Tag, Timestamp>) -> BTreeMap<Tag, Timestamp> {
    if tags.len() <= MAX_TAGS {
        return tags;
    }
    let mut sorted: Vec<_> = tags.into_iter().collect();
    sorted.sort_by_key(|(_, time)| Reverse(*time));
    sorted.truncate(MAX_TAGS);
    sorted.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("the row's time is in range")
    }

    fn tags(text: &str) -> TagSet {
        let tags = text.split_whitespace();
        tags.map(|tag| tag.parse().expect("the row's tags are tags"))
            .collect()
    }

    /// Sees `lists` a second after each other, from 1 on, and compares when `tag` was seen.
    #[track_caller]
    fn check(lists: &[&str], tag: &str, expected: i64) {
        let mut sightings = Sightings::new(at(1));
        for (second, pair) in (2..).zip(lists.windows(2)) {
            sightings = sightings.after(&tags(pair[0]), &tags(pair[1]), at(second));
        }
        let tag = tag.parse().expect("the row's tag is one");
        assert_eq!(sightings.first_seen(&tag), at(expected));
    }

    #[test]
    fn the_first_list_is_as_old_as_the_looking() {
        check(&["a b"], "a", 1);
        check(&["a b", "a b"], "b", 1);
    }

    #[test]
    fn a_new_tag_is_as_old_as_the_list_it_came_with() {
        check(&["a", "a b", "a b c"], "b", 2);
        check(&["a", "a b", "a b c"], "c", 3);
    }

    #[test]
    fn a_tag_that_came_back_is_new_again() {
        check(&["a b", "b", "a b"], "a", 3);
    }

    #[test]
    fn what_was_written_down_earlier_counts() {
        let tag: Tag = "a".parse().expect("a is a tag");
        let known = Sightings::new(at(9)).with([(tag.clone(), at(3))]);
        assert_eq!(known.first_seen(&tag), at(3));
        let later = Sightings::new(at(9)).with([(tag.clone(), at(12))]);
        assert_eq!(
            later.first_seen(&tag),
            at(9),
            "a later time is no first sighting"
        );
    }

    #[test]
    fn nothing_was_seen_later_than_now() {
        let [a, b]: [Tag; 2] = ["a", "b"].map(|it| it.parse().expect("it is a tag"));
        let ahead = Sightings::new(at(5)).after(&tags("a"), &tags("a b"), at(9));
        let seen = |now| {
            let right = ahead.not_after(at(now));
            right.map(|it| (it.first_seen(&a), it.first_seen(&b)))
        };
        assert_eq!(seen(9), None);
        assert_eq!(seen(7), Some((at(5), at(7))));
        assert_eq!(seen(3), Some((at(3), at(3))));
    }

    #[test]
    fn only_the_newest_sightings_are_remembered() {
        let names: Vec<String> = (0..MAX_TAGS).map(|number| format!("a{number}")).collect();
        let list = tags(&names.join(" "));
        let first = Sightings::new(at(1)).after(&tags(""), &list, at(2));
        let more = tags(&(names.join(" ") + " b"));
        let second = first.after(&list, &more, at(3));
        assert_eq!(second.tags().count(), MAX_TAGS);
        assert_eq!(second.first_seen(&"b".parse().expect("b is a tag")), at(3));
    }
}
