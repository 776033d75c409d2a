//! What git servers send: lines, packs, deltas.

use std::collections::BTreeMap;

use image_update_core::remote::BranchName;
use image_update_operator::git::hostile;

use super::{text, two_parts};

/// The most that an object of a pack may have.
const LIMIT_BYTES: usize = 64 * 1024;

/// An advertisement, a line with a plus, and an answer to what is asked then. An answer that ends is
/// made of lines up to there, unless the server says in one what went wrong.
pub(super) fn pkt_lines(bytes: &[u8]) {
    let (advertisement, answer) = two_parts(bytes, b"\n+\n");
    if let Ok(branch) = "main".parse() {
        hostile::answers(advertisement, answer, &branch);
    }
    for part in [bytes, advertisement, answer] {
        if let Some(Ok((count, end))) = hostile::lines(part) {
            assert!(count > 0 && end >= 4 * count && part[..end].ends_with(b"0000"));
        }
    }
}

/// A pack without its hash. What comes out keeps to the limits, and packed again it is the same.
pub(super) fn packs(bytes: &[u8]) {
    let Ok(objects) = hostile::unpack(bytes, LIMIT_BYTES) else {
        return;
    };
    assert!(objects.iter().all(|(_, _, data)| data.len() <= LIMIT_BYTES));
    let total: usize = objects.iter().map(|(_, _, data)| data.len()).sum();
    assert!(total <= 16 * LIMIT_BYTES);
    let distinct: BTreeMap<_, _> = objects.into_iter().map(|it| (it.0, it)).collect();
    let objects: Vec<_> = distinct.values().cloned().collect();
    // What is a delta comes out of it with the same content, hence the same id.
    let again = hostile::pack(&objects).and_then(|pack| hostile::unpack(&pack, LIMIT_BYTES));
    let again = again.map(|it| it.into_iter().map(|it| (it.0, it)).collect());
    assert_eq!(again, Ok(distinct));
}

/// A base, a line with a plus, and a delta. What comes out is as large as it says and no larger than
/// allowed. Taken for a text, the delta can be made of the base.
pub(super) fn deltas(bytes: &[u8]) {
    let (base, delta) = two_parts(bytes, b"\n+\n");
    if let Ok(result) = hostile::apply(base, delta, LIMIT_BYTES) {
        assert!(result.len() <= LIMIT_BYTES);
        let same = hostile::delta(base, &result);
        assert_eq!(hostile::apply(base, &same, LIMIT_BYTES), Ok(result));
    }
    let made = hostile::delta(base, delta);
    let limit = delta.len();
    assert_eq!(hostile::apply(base, &made, limit).as_deref(), Ok(delta));
}

/// A name that is taken is one by git's rules (git-check-ref-format(1)), and found again by its ref.
pub(super) fn branch_names(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let Ok(branch) = text.parse::<BranchName>() else {
        return;
    };
    assert_eq!(branch.as_str(), text);
    let found = BranchName::from_ref(&branch.to_ref());
    assert_eq!(found.as_ref(), Some(&branch));
    let framed = format!("/{text}/");
    for reserved in [
        "..", "@{", "//", "/.", ".lock/", " ", "~", "^", ":", "?", "*", "[", "\\",
    ] {
        assert!(!framed.contains(reserved), "{text}");
    }
    assert!(!text.starts_with('-') && !text.ends_with('.'));
    assert!(!text.contains(char::is_control));
}
