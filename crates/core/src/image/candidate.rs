//! A candidate: a tag with the facts a strategy may look at.

use jiff::Timestamp;

use super::build::is_believable;
use super::tag::Tag;

/// A tag that may be chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The tag.
    pub tag: Tag,
    /// The time the image's config says it was created, where somebody asked for it.
    pub created: Option<Timestamp>,
}

impl Candidate {
    /// A candidate of which only the tag is known.
    pub fn new(tag: Tag) -> Self {
        Self { tag, created: None }
    }

    /// The same candidate with the time its config gives.
    #[must_use]
    pub fn created_at(self, created: Timestamp) -> Self {
        Self {
            created: Some(created),
            ..self
        }
    }

    /// The time of the build, if it can be believed.
    ///
    /// Reproducible builds put a constant where the time belongs. Anything before 1980-01-02 is
    /// such a constant: container images are younger.
    pub fn build_time(&self) -> Option<Timestamp> {
        self.created.filter(|created| is_believable(*created))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(created: &str, believed: bool) {
        let tag = "1".parse().expect("1 is a tag");
        let created = created.parse().expect("the row's time is a time");
        let candidate = Candidate::new(tag).created_at(created);
        assert_eq!(candidate.build_time(), believed.then_some(created));
    }

    #[test]
    fn constants_of_reproducible_builds_are_no_time() {
        check("0001-01-01T00:00:00Z", false);
        check("1970-01-01T00:00:00Z", false);
        check("1970-01-01T00:00:01Z", false);
        check("1980-01-01T00:00:01Z", false);
    }

    #[test]
    fn a_time_images_existed_at_is_believed() {
        check("2013-03-20T00:00:00Z", true);
        check("2024-05-01T12:00:00.5Z", true);
    }
}
