//! Deltas: an object described by what it copies from another.
//!
//! The format is that of gitformat-pack(5), "Deltified representation". The creator knows two kinds
//! of change, which are the ones we make: fields of a tree replaced in place, and one stretch of a
//! file replaced by another.

use super::PackError;

/// The most one copy instruction takes over: what pack version 2 allows.
const MAX_COPY_BYTES: usize = 0xffff;

/// The most one insert instruction brings: seven bits of length.
const MAX_INSERT_BYTES: usize = 0x7f;

/// How many equal bytes between two differences are worth an instruction of their own.
const MIN_COPY_BYTES: usize = 16;

/// Applies `delta` to `base`. The result is at most `limit` bytes.
pub(crate) fn apply(base: &[u8], delta: &[u8], limit: usize) -> Result<Vec<u8>, PackError> {
    let mut rest = delta;
    let base_size = read_size(&mut rest)?;
    let result_size = read_size(&mut rest)?;
    if base_size != base.len() || result_size > limit {
        return Err(PackError::Delta);
    }
    let mut result = Vec::with_capacity(result_size);
    while let Some((&instruction, tail)) = rest.split_first() {
        rest = tail;
        let part = if instruction & 0x80 != 0 {
            let (offset, size) = read_copy(instruction, &mut rest)?;
            offset
                .checked_add(size)
                .and_then(|end| base.get(offset..end))
        } else if instruction != 0 {
            take(&mut rest, usize::from(instruction))
        } else {
            None
        };
        let part = part.ok_or(PackError::Delta)?;
        if result.len() + part.len() > result_size {
            return Err(PackError::Delta);
        }
        result.extend_from_slice(part);
    }
    if result.len() == result_size {
        Ok(result)
    } else {
        Err(PackError::Delta)
    }
}

/// The size `delta` says its result has.
pub(crate) fn result_size(delta: &[u8]) -> Result<usize, PackError> {
    let mut rest = delta;
    read_size(&mut rest)?;
    read_size(&mut rest)
}

/// Describes `target` by what it has in common with `base`.
pub(crate) fn create(base: &[u8], target: &[u8]) -> Vec<u8> {
    let mut delta = Vec::new();
    write_size(&mut delta, base.len());
    write_size(&mut delta, target.len());
    if base.len() == target.len() {
        replace_in_place(&mut delta, base, target);
    } else {
        replace_middle(&mut delta, base, target);
    }
    delta
}

/// Equal lengths: runs that are equal at the same offset are copied, what is between inserted.
fn replace_in_place(delta: &mut Vec<u8>, base: &[u8], target: &[u8]) {
    let mut inserted_from = 0;
    let mut at = 0;
    while at < target.len() {
        let equal = common_start(&base[at..], &target[at..]);
        if equal >= MIN_COPY_BYTES {
            insert(delta, &target[inserted_from..at]);
            copy(delta, at, equal);
            inserted_from = at + equal;
        }
        at += equal.max(1);
    }
    insert(delta, &target[inserted_from..]);
}

/// Different lengths: the common start and end are copied, the middle is inserted.
fn replace_middle(delta: &mut Vec<u8>, base: &[u8], target: &[u8]) {
    let shorter = base.len().min(target.len());
    let start = common_start(base, target);
    let backwards = base.iter().rev().zip(target.iter().rev());
    let end = backwards
        .take(shorter - start)
        .take_while(|(old, new)| old == new)
        .count();
    copy(delta, 0, start);
    insert(delta, &target[start..target.len() - end]);
    copy(delta, base.len() - end, end);
}

/// How many bytes at the start are the same: stretch by stretch at first, for a tree may have a
/// megabyte of them.
fn common_start(one: &[u8], other: &[u8]) -> usize {
    const STRETCH: usize = 64;
    let stretches = one.chunks_exact(STRETCH).zip(other.chunks_exact(STRETCH));
    let whole = stretches.take_while(|(one, other)| one == other).count() * STRETCH;
    let rest = one[whole..].iter().zip(&other[whole..]);
    whole + rest.take_while(|(one, other)| one == other).count()
}

fn copy(delta: &mut Vec<u8>, mut offset: usize, mut size: usize) {
    while size > 0 {
        let part = size.min(MAX_COPY_BYTES);
        let at = delta.len();
        delta.push(0x80);
        let numbers = [(offset, 4, 0), (part, 2, 4)];
        for (number, bytes, shift) in numbers {
            for (index, byte) in number.to_le_bytes().into_iter().take(bytes).enumerate() {
                if byte != 0 {
                    delta.push(byte);
                    delta[at] |= 1 << (shift + index);
                }
            }
        }
        offset += part;
        size -= part;
    }
}

fn insert(delta: &mut Vec<u8>, bytes: &[u8]) {
    for part in bytes.chunks(MAX_INSERT_BYTES) {
        // At most seven bits, by the chunks' size.
        delta.push(part.len().to_le_bytes()[0]);
        delta.extend_from_slice(part);
    }
}

fn read_copy(instruction: u8, rest: &mut &[u8]) -> Result<(usize, usize), PackError> {
    let mut numbers = [0_usize; 7];
    for (bit, number) in numbers.iter_mut().enumerate() {
        if instruction & (1 << bit) != 0 {
            *number = usize::from(take(rest, 1).ok_or(PackError::Delta)?[0]);
        }
    }
    let [o0, o1, o2, o3, s0, s1, s2] = numbers;
    let offset = o0 | o1 << 8 | o2 << 16 | o3 << 24;
    let size = s0 | s1 << 8 | s2 << 16;
    Ok((offset, if size == 0 { 0x1_0000 } else { size }))
}

fn read_size(rest: &mut &[u8]) -> Result<usize, PackError> {
    let mut size = 0_u64;
    // 56 bits: no object is larger, and the shift cannot overflow.
    for shift in (0..56).step_by(7) {
        let byte = take(rest, 1).ok_or(PackError::Delta)?[0];
        size |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(size).map_err(|_| PackError::Delta);
        }
    }
    Err(PackError::Delta)
}

fn write_size(delta: &mut Vec<u8>, mut size: usize) {
    loop {
        let low = size.to_le_bytes()[0] & 0x7f;
        size >>= 7;
        if size == 0 {
            delta.push(low);
            return;
        }
        delta.push(low | 0x80);
    }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (part, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(part)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMIT: usize = 1 << 20;

    #[test]
    fn replaced_field_of_a_large_tree_is_a_small_delta() {
        let base: Vec<u8> = (0..360_000_u32).flat_map(u32::to_le_bytes).collect();
        let mut target = base.clone();
        target[700_000..700_020].fill(7);
        let delta = create(&base, &target);
        assert!(delta.len() < 400, "{} bytes", delta.len());
        assert_eq!(apply(&base, &delta, base.len()), Ok(target));
    }

    #[test]
    fn malformed_deltas_are_refused() {
        let base = b"0123456789";
        check(base, &[10, 3, 3, b'a', b'b', b'c'], Ok(b"abc"));
        check(base, &[10, 2, 0x91, 4, 2], Ok(b"45"));
        check(base, &[9, 3, 3, b'a', b'b', b'c'], Err(PackError::Delta)); // other base
        check(base, &[10, 3, 3, b'a', b'b'], Err(PackError::Delta)); // cut off
        check(base, &[10, 3, 2, b'a', b'b'], Err(PackError::Delta)); // too little
        check(base, &[10, 1, 2, b'a', b'b'], Err(PackError::Delta)); // too much
        check(base, &[10, 3, 0x91, 8, 3], Err(PackError::Delta)); // past the base
        check(base, &[10, 1, 0], Err(PackError::Delta)); // reserved instruction
        check(base, &[10, 0xff, 0xff, 0xff, 0x7f], Err(PackError::Delta)); // past the limit
        check(base, &[0xff; 30], Err(PackError::Delta)); // endless size
        check(base, &[], Err(PackError::Delta));
    }

    proptest! {
        #[test]
        fn created_delta_yields_its_target(base: Vec<u8>, target: Vec<u8>) {
            prop_assert_eq!(apply(&base, &create(&base, &target), LIMIT), Ok(target));
        }

        #[test]
        fn created_delta_of_an_edit_yields_its_target(
            base in prop::collection::vec(0..4_u8, 0..900),
            at: prop::sample::Index,
            edit in prop::collection::vec(0..4_u8, 0..40),
            keep_length: bool,
        ) {
            let at = at.index(base.len() + 1);
            let end = if keep_length { (at + edit.len()).min(base.len()) } else { at };
            let mut target = base.clone();
            target.splice(at..end, edit);
            prop_assert_eq!(apply(&base, &create(&base, &target), LIMIT), Ok(target));
        }

        #[test]
        fn arbitrary_delta_never_panics_and_stays_in_bounds(base: Vec<u8>, delta: Vec<u8>) {
            if let Ok(result) = apply(&base, &delta, 4096) {
                prop_assert!(result.len() <= 4096);
                prop_assert_eq!(result_size(&delta), Ok(result.len()));
            }
        }
    }

    #[track_caller]
    fn check(base: &[u8], delta: &[u8], expected: Result<&[u8], PackError>) {
        let actual = apply(base, delta, LIMIT);
        assert_eq!(actual.as_deref(), expected.as_ref().copied());
    }
}
