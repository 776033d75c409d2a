//! Which digest stands beside the tag: none, the one that is there, or one that is looked up.

use super::format::Current;
use super::{DigestRule, Digests, ImageInput};
use crate::image::{Digest, Tag};

/// The digest to write.
pub(super) enum WantedDigest {
    /// Known, or none is wanted.
    Known(Option<Digest>),
    /// Wanted, and to be looked up.
    Missing,
}

/// What passed the checks is what is written, even if the tag has moved since.
pub(super) fn wanted_digest(
    image: &ImageInput<'_>,
    current: &Current,
    tag: &Tag,
    checked: Option<&Digest>,
    digests: &Digests,
) -> WantedDigest {
    let kept = current
        .digest
        .as_deref()
        .filter(|_| current.tag.as_deref() == Some(tag.as_str()))
        .and_then(|kept| kept.parse().ok());
    match (image.digest, kept) {
        (DigestRule::Never, _) => WantedDigest::Known(None),
        (DigestRule::IfNotPresent, Some(kept)) => WantedDigest::Known(Some(kept)),
        (DigestRule::IfNotPresent, None) | (DigestRule::Always, _) => {
            let looked_up = digests.get(&(image.alias.to_owned(), tag.clone()));
            match checked.or(looked_up) {
                Some(digest) => WantedDigest::Known(Some(digest.clone())),
                None => WantedDigest::Missing,
            }
        }
    }
}
