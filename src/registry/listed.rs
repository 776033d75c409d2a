//! How much of lists has been read so far, for a person who waits. Decides nothing.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Pages and tags that a client has read.
#[derive(Debug, Default)]
pub struct Listed {
    pages: AtomicUsize,
    tags: AtomicUsize,
}

impl Listed {
    /// A page was read.
    pub(super) fn page(&self, tags: usize) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.tags.fetch_add(tags, Ordering::Relaxed);
    }
}

/// `3 pages, 2400 tags`
impl fmt::Display for Listed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pages = self.pages.load(Ordering::Relaxed);
        let tags = self.tags.load(Ordering::Relaxed);
        let (page, tag) = (plural("page", pages), plural("tag", tags));
        write!(formatter, "{pages} {page}, {tags} {tag}")
    }
}

fn plural(word: &str, count: usize) -> String {
    let end = if count == 1 { "" } else { "s" };
    format!("{word}{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_tags_are_counted() {
        let listed = Listed::default();
        listed.page(1);
        assert_eq!(listed.to_string(), "1 page, 1 tag");
        listed.page(999);
        assert_eq!(listed.to_string(), "2 pages, 1000 tags");
    }
}
