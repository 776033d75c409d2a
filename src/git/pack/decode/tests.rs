//! What packs may hold, and what happens to those that are damaged or hostile.

use std::collections::BTreeMap;

use gix::hash::Kind as Hash;
use proptest::prelude::*;

use super::*;
use crate::git::{
    object::NewObject,
    pack::encode::{self, encode},
};

const LIMITS: Limits = Limits {
    blob: 1 << 20,
    other: 1 << 20,
    total: 1 << 24,
};

#[test]
fn written_packs_are_read_back() {
    for hash in [Hash::Sha1, Hash::Sha256] {
        let one = blob(b"one\n", hash);
        let two = blob(&b"two\n".repeat(5000), hash);
        let pack = encode(&[one.clone(), two.clone()], hash, true).expect("encodes");
        check(&pack, hash, &[], Ok(&[&one, &two]));
    }
}

#[test]
fn empty_pack_has_no_objects() {
    let pack = encode(&[], Hash::Sha1, true).expect("encodes");
    check(&pack, Hash::Sha1, &[], Ok(&[]));
}

#[test]
fn thin_pack_needs_its_base() {
    let base = blob(&b"0123456789\n".repeat(100), Hash::Sha1);
    let pack = thin_pack(&base, &b"0123456789\n".repeat(101));
    let target = blob(&b"0123456789\n".repeat(101), Hash::Sha1);
    check(&pack, Hash::Sha1, &[&base], Ok(&[&target]));
    let summary = decode(&pack, Hash::Sha1, LIMITS, |_| None, |_, _| {});
    assert_eq!(
        summary,
        Ok(Summary {
            visited: 0,
            oversized: 0,
            without_base: 1,
        })
    );
}

#[test]
fn pack_for_a_server_without_thin_packs_needs_nothing_else() {
    let noise = |from: u32| (from..from + 2000).map(|it| it.wrapping_mul(0x9e37_79b1));
    let noise = |from| noise(from).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
    let elsewhere = blob(&noise(0), Hash::Sha1);
    let mut base = blob(&[noise(0), noise(1 << 20)].concat(), Hash::Sha1);
    base.replaces = Some((elsewhere.id, elsewhere.object.data));
    let mut target = blob(&[&base.object.data[..], b"more"].concat(), Hash::Sha1);
    target.replaces = Some((base.id, base.object.data.clone()));
    let pack = encode(&[base.clone(), target.clone()], Hash::Sha1, false).expect("encodes");
    check(&pack, Hash::Sha1, &[], Ok(&[&base, &target]));
    // The first one is whole, the second a delta upon it.
    let whole = base.object.data.len();
    let once = whole * 3 / 4..whole * 5 / 4;
    assert!(once.contains(&pack.len()), "{} bytes", pack.len());
}

#[test]
fn delta_may_come_before_its_base() {
    let base = blob(&b"0123456789\n".repeat(100), Hash::Sha1);
    let mut target = blob(&b"0123456789\n".repeat(101), Hash::Sha1);
    target.replaces = Some((base.id, base.object.data.clone()));
    let pack = encode(&[target.clone(), base.clone()], Hash::Sha1, true).expect("encodes");
    check(&pack, Hash::Sha1, &[], Ok(&[&base, &target]));
}

#[test]
fn delta_on_a_delta_is_followed() {
    let first = blob(&b"0123456789\n".repeat(100), Hash::Sha1);
    let mut second = blob(&b"0123456789\n".repeat(101), Hash::Sha1);
    second.replaces = Some((first.id, first.object.data.clone()));
    let mut third = blob(&b"0123456789\n".repeat(102), Hash::Sha1);
    third.replaces = Some((second.id, second.object.data.clone()));
    let objects = [third.clone(), second.clone(), first.clone()];
    let pack = encode(&objects, Hash::Sha1, true).expect("encodes");
    check(&pack, Hash::Sha1, &[], Ok(&[&first, &second, &third]));
}

#[test]
fn oversized_objects_are_skipped_and_counted() {
    let small = blob(b"small", Hash::Sha1);
    let large = blob(&vec![b'x'; LIMITS.blob + 1], Hash::Sha1);
    let mut grown = blob(&vec![b'x'; LIMITS.blob + 2], Hash::Sha1);
    grown.replaces = Some((large.id, large.object.data.clone()));
    let pack = encode(&[small.clone(), large, grown], Hash::Sha1, true).expect("encodes");
    let mut found = Vec::new();
    let summary = decode(&pack, Hash::Sha1, LIMITS, |_| None, |id, _| found.push(id));
    assert_eq!(
        summary,
        Ok(Summary {
            visited: 1,
            oversized: 2,
            without_base: 0,
        })
    );
    assert_eq!(found, [small.id]);
}

#[test]
fn pack_that_unpacks_to_too_much_is_refused() {
    let bomb = blob(&vec![0; 1 << 20], Hash::Sha1);
    let pack = encode(&vec![bomb; 17], Hash::Sha1, false).expect("encodes");
    assert!(pack.len() < 100_000, "the pack is small");
    check(
        &pack,
        Hash::Sha1,
        &[],
        Err(PackError::TooLarge {
            limit_bytes: 1 << 24,
        }),
    );
}

#[test]
fn damaged_packs_are_refused() {
    let pack = encode(&[blob(b"content", Hash::Sha1)], Hash::Sha1, true).expect("encodes");
    check(
        &pack[..pack.len() - 1],
        Hash::Sha1,
        &[],
        Err(PackError::Damaged),
    );
    check(&[], Hash::Sha1, &[], Err(PackError::Damaged));
    check(b"PACK", Hash::Sha1, &[], Err(PackError::Damaged));
    check(
        &sealed(b"KCAP\0\0\0\x02\0\0\0\0"),
        Hash::Sha1,
        &[],
        Err(PackError::Damaged),
    );
    // One object announced and none there; none announced and one there.
    check(
        &sealed(b"PACK\0\0\0\x02\0\0\0\x01"),
        Hash::Sha1,
        &[],
        Err(PackError::Damaged),
    );
    check(
        &sealed(b"PACK\0\0\0\x02\0\0\0\0rest"),
        Hash::Sha1,
        &[],
        Err(PackError::Damaged),
    );
    check(
        &sealed(b"PACK\0\0\0\x02\xff\xff\xff\xff"),
        Hash::Sha1,
        &[],
        Err(PackError::Damaged),
    );
    // An entry of the reserved type 0, and a delta before the start of the pack.
    check(
        &sealed(b"PACK\0\0\0\x02\0\0\0\x01\x05x"),
        Hash::Sha1,
        &[],
        Err(PackError::Entry),
    );
    check(
        &sealed(b"PACK\0\0\0\x02\0\0\0\x01\x65\x7fx"),
        Hash::Sha1,
        &[],
        Err(PackError::Delta),
    );
}

#[test]
fn object_of_another_size_than_announced_is_refused() {
    for (announced, actual) in [(5, 6), (6, 5), (0, 1), (1, 0)] {
        let mut content = b"PACK\0\0\0\x02\0\0\0\x01".to_vec();
        let mut honest =
            encode(&[blob(&vec![b'x'; actual], Hash::Sha1)], Hash::Sha1, true).expect("encodes");
        honest.truncate(honest.len() - 20);
        content.push(0x30 | announced);
        content.extend_from_slice(&honest[13..]);
        check(&sealed(&content), Hash::Sha1, &[], Err(PackError::Entry));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn mutated_pack_never_panics(
        content in prop::collection::vec(0..9_u8, 0..300),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let base = blob(&content, Hash::Sha1);
        let mut target = blob(&[&content[..], b"end"].concat(), Hash::Sha1);
        target.replaces = Some((base.id, base.object.data.clone()));
        let mut pack = encode(&[target, base], Hash::Sha1, true).expect("encodes");
        pack.truncate(pack.len() - 20);
        for (at, byte) in changes {
            let at = at.index(pack.len());
            pack[at] = byte;
        }
        // With a valid trailer, so that the damage is not just found by its hash.
        let mut bytes = 0;
        let pack = sealed(&pack);
        if decode(&pack, Hash::Sha1, LIMITS, |_| None, |_, it| bytes += it.data.len()).is_ok() {
            prop_assert!(bytes as u64 <= LIMITS.total);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let content = [b"PACK\0\0\0\x02\0\0\0\x01", &bytes[..]].concat();
        let found = decode(&sealed(&content), Hash::Sha1, LIMITS, |_| None, |_, _| {});
        prop_assert!(found.is_err() || bytes.len() > 2);
    }
}

fn blob(content: &[u8], hash: Hash) -> NewObject {
    let object = Object {
        kind: Kind::Blob,
        data: content.to_vec().into(),
    };
    NewObject {
        id: object.id(hash).expect("no collision"),
        object,
        replaces: None,
    }
}

fn thin_pack(base: &NewObject, content: &[u8]) -> Vec<u8> {
    let mut target = blob(content, Hash::Sha1);
    target.replaces = Some((base.id, base.object.data.clone()));
    encode::encode(&[target], Hash::Sha1, true).expect("encodes")
}

/// Appends the hash that makes the content a whole pack.
fn sealed(content: &[u8]) -> Vec<u8> {
    let mut hasher = hash::hasher(Hash::Sha1);
    hasher.update(content);
    let trailer = hasher.try_finalize().expect("no collision");
    [content, trailer.as_slice()].concat()
}

#[track_caller]
fn check(
    pack: &[u8],
    hash: Hash,
    known: &[&NewObject],
    expected: Result<&[&NewObject], PackError>,
) {
    let mut found = BTreeMap::new();
    let known = |id: &ObjectId| {
        known
            .iter()
            .find(|it| it.id == *id)
            .map(|it| it.object.clone())
    };
    let result = decode(pack, hash, LIMITS, known, |id, object| {
        found.insert(id, object.data);
    });
    match expected {
        Err(error) => assert_eq!(result.map(|it| it.visited), Err(error)),
        Ok(objects) => {
            assert_eq!(
                result,
                Ok(Summary {
                    visited: objects.len(),
                    oversized: 0,
                    without_base: 0,
                })
            );
            let objects = objects.iter().map(|it| (it.id, it.object.data.clone()));
            assert_eq!(found, objects.collect::<BTreeMap<_, _>>());
        }
    }
}
