//! Computes digests of what was received.

use std::fmt::Write as _;

use image_update_core::image::{Algorithm, Digest, TagSet};
use sha2::{Digest as _, Sha256, Sha512};

/// The digest of a body.
pub(super) fn of(algorithm: Algorithm, body: &[u8]) -> Digest {
    match algorithm {
        Algorithm::Sha256 => print(algorithm, &Sha256::digest(body)),
        Algorithm::Sha512 => print(algorithm, &Sha512::digest(body)),
    }
}

/// The digest of a list of tags, each followed by a line feed, which no tag can hold.
pub(super) fn of_tags(tags: &TagSet) -> Digest {
    let mut hash = Sha256::new();
    for tag in tags.iter() {
        hash.update(tag);
        hash.update("\n");
    }
    print(Algorithm::Sha256, &hash.finalize())
}

fn print(algorithm: Algorithm, hash: &[u8]) -> Digest {
    let mut text = format!("{algorithm}:");
    for byte in hash {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text.parse()
        .expect("an algorithm and its hash in hexadecimal are a digest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computes_the_digests_of_nothing() {
        // Known answers of FIPS 180-4 for the empty message.
        check(
            Algorithm::Sha256,
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        );
        check(
            Algorithm::Sha512,
            "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
        );
    }

    #[test]
    fn tags_are_told_apart_from_their_joins() {
        let tags = |texts: &[&str]| -> TagSet {
            texts
                .iter()
                .map(|text| text.parse().expect("the test's tags are valid"))
                .collect()
        };
        assert_ne!(of_tags(&tags(&["ab", "c"])), of_tags(&tags(&["a", "bc"])));
    }

    #[track_caller]
    fn check(algorithm: Algorithm, expected: &str) {
        assert_eq!(of(algorithm, b"").as_str(), expected);
    }
}
