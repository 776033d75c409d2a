//! Many tags in little memory.

use super::tag::Tag;

/// Tags, each once, ordered by their bytes. They stand in one block of text, so that a tag costs
/// its length and four bytes: an operator holds millions of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagSet {
    text: Box<str>,
    /// Where each tag ends in `text`.
    ends: Box<[u32]>,
}

impl TagSet {
    /// How many tags there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The tags, in their order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The tags as such, in their order.
    pub fn tags(&self) -> impl ExactSizeIterator<Item = Tag> {
        self.iter().map(Tag::trusted)
    }

    /// Whether `tag` is one of them.
    pub fn contains(&self, tag: &Tag) -> bool {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            match self.get(middle).cmp(tag.as_str()) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }

    fn get(&self, index: usize) -> &str {
        let end = |index: usize| self.ends[index] as usize;
        let start = index.checked_sub(1).map_or(0, end);
        &self.text[start..end(index)]
    }
}

impl TagSet {
    /// Reads texts; those that are no tags are returned beside, in their order.
    ///
    /// # Panics
    ///
    /// If all tags together have 4 GiB or more, which no listing has: see the limits of the
    /// registry client.
    pub fn read<'t>(texts: impl IntoIterator<Item = &'t str>) -> (Self, Vec<&'t str>) {
        let (tags, others) = texts.into_iter().partition(|text| Tag::check(text).is_ok());
        (Self::of(tags), others)
    }

    /// The tags of several sets.
    #[must_use]
    pub fn union<'s>(sets: impl IntoIterator<Item = &'s Self>) -> Self {
        Self::of(sets.into_iter().flat_map(Self::iter).collect())
    }

    fn of(mut tags: Vec<&str>) -> Self {
        tags.sort_unstable();
        tags.dedup();
        let mut text = String::with_capacity(tags.iter().map(|tag| tag.len()).sum());
        let mut ends = Vec::with_capacity(tags.len());
        for tag in tags {
            text.push_str(tag);
            ends.push(u32::try_from(text.len()).expect("tag lists are bounded far below 4 GiB"));
        }
        Self {
            text: text.into_boxed_str(),
            ends: ends.into_boxed_slice(),
        }
    }
}

impl FromIterator<Tag> for TagSet {
    fn from_iter<I: IntoIterator<Item = Tag>>(tags: I) -> Self {
        let tags: Vec<Tag> = tags.into_iter().collect();
        Self::of(tags.iter().map(Tag::as_str).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_holds_what_a_sorted_set_holds(
            texts in proptest::collection::vec("[a-c1-3_][a-c.]{0,3}", 0..40),
            other in "[a-c1-3_][a-c.]{0,3}",
        ) {
            let tag = |text: &String| text.parse::<Tag>().expect("the pattern makes tags");
            let model: BTreeSet<Tag> = texts.iter().map(tag).collect();
            let set: TagSet = texts.iter().map(tag).collect();
            prop_assert_eq!(set.len(), model.len());
            prop_assert_eq!(set.is_empty(), model.is_empty());
            prop_assert!(set.iter().eq(model.iter().map(Tag::as_str)));
            prop_assert!(set.tags().eq(model.iter().cloned()));
            prop_assert!(model.iter().all(|tag| set.contains(tag)));
            prop_assert_eq!(set.contains(&tag(&other)), model.contains(&tag(&other)));

            let (front, back) = texts.split_at(texts.len() / 2);
            let read = |texts: &[String]| TagSet::read(texts.iter().map(String::as_str)).0;
            prop_assert_eq!(TagSet::union([&read(front), &read(back)]), set);
        }

        #[test]
        fn what_is_no_tag_is_beside(texts in proptest::collection::vec("[a. ]{0,3}", 0..10)) {
            let (set, others) = TagSet::read(texts.iter().map(String::as_str));
            let is_tag = |text: &&String| text.parse::<Tag>().is_ok();
            prop_assert!(others.iter().eq(texts.iter().filter(|text| !is_tag(text))));
            prop_assert!(set.iter().all(|tag| is_tag(&&tag.to_owned())));
        }
    }
}
