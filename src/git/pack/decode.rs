//! Reads the objects out of a pack, one after the other, holding little more than one.
//!
//! Objects are handed to a visitor in an order that keeps memory small: an object, then the deltas
//! upon it, depth first. Deltas may come before their bases, refer to them by offset or by id, and
//! hang on objects that are not in the pack but known to the caller.

use std::collections::HashMap;

use bytes::Bytes;
use gix::{
    ObjectId, hash,
    objs::Kind,
    zlib::{Decompress, FlushDecompress, Status},
};
use gix_pack::data::{self, entry::Header};

use super::{PackError, delta};
use crate::git::object::Object;

/// What is read of a pack, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The largest file read. Larger ones are skipped and counted.
    pub(crate) blob: usize,
    /// The largest commit or tree read. Larger ones are skipped and counted.
    pub(crate) other: usize,
    /// The most a pack may unpack to: bounds the time a hostile one takes.
    pub(crate) total: u64,
}

/// What was found besides the objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Summary {
    /// Objects handed to the visitor.
    pub(crate) visited: usize,
    /// Objects over the limit, and deltas upon them.
    pub(crate) oversized: usize,
    /// Deltas whose bases are neither here nor known, and deltas upon those. Where objects are over
    /// the limit, they may be the bases, and this is 0.
    pub(crate) without_base: usize,
}

/// Reads `pack`, hands its objects to `visit`, and asks `known` for bases it does not hold.
pub(crate) fn decode(
    pack: &[u8],
    hash: hash::Kind,
    limits: Limits,
    known: impl Fn(&ObjectId) -> Option<Object>,
    visit: impl FnMut(ObjectId, Object),
) -> Result<Summary, PackError> {
    let entries = Entries::scan(pack, hash, limits)?;
    Decoder {
        entries,
        limits,
        hash,
        visit,
        summary: Summary::default(),
        total: 0,
    }
    .run(known)
}

/// Where everything in a pack is, and which deltas hang on what.
struct Entries<'a> {
    pack: &'a [u8],
    list: Vec<data::Entry>,
    /// Deltas by the offset of their base.
    on_offset: HashMap<u64, Vec<usize>>,
    /// Deltas by the id of their base.
    on_id: HashMap<ObjectId, Vec<usize>>,
}

struct Decoder<'a, V> {
    entries: Entries<'a>,
    limits: Limits,
    hash: hash::Kind,
    visit: V,
    summary: Summary,
    total: u64,
}

impl<'a> Entries<'a> {
    fn scan(pack: &'a [u8], hash: hash::Kind, limits: Limits) -> Result<Self, PackError> {
        let content = verified_content(pack, hash)?;
        let header = content.first_chunk().ok_or(PackError::Damaged)?;
        let (_, count) = data::header::decode(header).map_err(|_| PackError::Damaged)?;

        let mut scanned = Self {
            pack: content,
            list: Vec::new(),
            on_offset: HashMap::new(),
            on_id: HashMap::new(),
        };
        let mut inflate = Inflate::default();
        let mut offset = data::header::SIZE;
        let mut total = 0;
        for index in 0..count as usize {
            let rest = content.get(offset..).filter(|rest| !rest.is_empty());
            let rest = rest.ok_or(PackError::Damaged)?;
            let entry =
                data::Entry::from_bytes(rest, offset as u64, hash).map_err(|_| PackError::Entry)?;
            total = checked_total(total, entry.decompressed_size, limits)?;
            match entry.header {
                Header::OfsDelta { base_distance } => {
                    let base = entry.checked_base_pack_offset(base_distance);
                    let base = base.ok_or(PackError::Delta)?;
                    scanned.on_offset.entry(base).or_default().push(index);
                }
                Header::RefDelta { base_id } => {
                    scanned.on_id.entry(base_id).or_default().push(index);
                }
                Header::Commit | Header::Tree | Header::Blob | Header::Tag => {}
            }
            let start = to_usize(entry.data_offset)?;
            offset = start + inflate.skip(scanned.compressed(start)?, entry.decompressed_size)?;
            scanned.list.push(entry);
        }
        if offset == content.len() {
            Ok(scanned)
        } else {
            Err(PackError::Damaged)
        }
    }

    fn compressed(&self, offset: usize) -> Result<&'a [u8], PackError> {
        self.pack.get(offset..).ok_or(PackError::Damaged)
    }
}

impl<V: FnMut(ObjectId, Object)> Decoder<'_, V> {
    fn run(mut self, known: impl Fn(&ObjectId) -> Option<Object>) -> Result<Summary, PackError> {
        let mut inflate = Inflate::default();
        for index in 0..self.entries.list.len() {
            if let Some(kind) = self.entries.list[index].header.as_kind() {
                self.visit_with_deltas(index, kind, None, &mut inflate)?;
            }
        }
        // What is left hangs on objects outside of the pack, or on nothing.
        let outside: Vec<ObjectId> = self.entries.on_id.keys().copied().collect();
        for id in outside {
            let Some(base) = known(&id) else { continue };
            for index in self.entries.on_id.remove(&id).unwrap_or_default() {
                self.visit_with_deltas(index, base.kind, Some(base.data.clone()), &mut inflate)?;
            }
        }
        let left = self
            .entries
            .on_id
            .values()
            .chain(self.entries.on_offset.values());
        let left: usize = left.map(Vec::len).sum();
        if self.summary.oversized == 0 {
            self.summary.without_base = left;
        } else {
            self.summary.oversized += left;
        }
        Ok(self.summary)
    }

    /// Visits an entry and whatever hangs on it. A stack, not recursion: chains may be long.
    fn visit_with_deltas(
        &mut self,
        index: usize,
        kind: Kind,
        base: Option<Bytes>,
        inflate: &mut Inflate,
    ) -> Result<(), PackError> {
        let limit = match kind {
            Kind::Blob => self.limits.blob,
            Kind::Commit | Kind::Tree | Kind::Tag => self.limits.other,
        };
        let mut stack = vec![(index, base)];
        while let Some((index, base)) = stack.pop() {
            let entry = self.entries.list[index].clone();
            let Some(data) = self.content(&entry, base.as_deref(), limit, inflate)? else {
                self.summary.oversized += 1;
                continue;
            };
            let object = Object {
                kind,
                data: data.into(),
            };
            let id = object.id(self.hash).map_err(PackError::Collision)?;
            let on_offset = self.entries.on_offset.remove(&entry.pack_offset());
            let on_id = self.entries.on_id.remove(&id);
            for child in on_offset.into_iter().chain(on_id).flatten() {
                stack.push((child, Some(object.data.clone())));
            }
            self.summary.visited += 1;
            (self.visit)(id, object);
        }
        Ok(())
    }

    /// The content of an entry; nothing if it is over the limit.
    fn content(
        &mut self,
        entry: &data::Entry,
        base: Option<&[u8]>,
        limit: usize,
        inflate: &mut Inflate,
    ) -> Result<Option<Vec<u8>>, PackError> {
        let size = to_usize(entry.decompressed_size)?;
        // A delta may be a little larger than what it yields; its own result is checked below.
        if size > limit.saturating_mul(2) || (base.is_none() && size > limit) {
            return Ok(None);
        }
        let start = to_usize(entry.data_offset)?;
        let content = inflate.read(self.entries.compressed(start)?, size)?;
        let Some(base) = base else {
            return Ok(Some(content));
        };
        let result_size = delta::result_size(&content)?;
        if result_size > limit {
            return Ok(None);
        }
        self.total = checked_total(self.total, result_size as u64, self.limits)?;
        delta::apply(base, &content, limit).map(Some)
    }
}

/// A decompressor that checks what it was promised.
struct Inflate {
    state: Decompress,
    scratch: Vec<u8>,
}

impl Default for Inflate {
    fn default() -> Self {
        Self {
            state: Decompress::new(),
            scratch: vec![0; 64 * 1024],
        }
    }
}

impl Inflate {
    /// Reads a stream of exactly `size` bytes.
    fn read(&mut self, compressed: &[u8], size: usize) -> Result<Vec<u8>, PackError> {
        self.state.reset();
        // One byte more than promised: there is room to notice a longer stream, and a stream of
        // nothing has somewhere to write to.
        let mut content = vec![0; size.checked_add(1).ok_or(PackError::Entry)?];
        let status = self
            .state
            .decompress(compressed, &mut content, FlushDecompress::Finish)
            .map_err(|_| PackError::Entry)?;
        let is_whole = status == Status::StreamEnd && self.state.total_out() == size as u64;
        content.truncate(size);
        if is_whole {
            Ok(content)
        } else {
            Err(PackError::Entry)
        }
    }

    /// Finds the end of a stream of exactly `size` bytes, keeping none of them.
    fn skip(&mut self, compressed: &[u8], size: u64) -> Result<usize, PackError> {
        self.state.reset();
        loop {
            let (used, written) = (self.state.total_in(), self.state.total_out());
            let rest = &compressed[to_usize(used)?..];
            let status = self
                .state
                .decompress(rest, &mut self.scratch, FlushDecompress::None)
                .map_err(|_| PackError::Entry)?;
            if self.state.total_out() > size {
                return Err(PackError::Entry);
            }
            if status == Status::StreamEnd {
                let is_whole = self.state.total_out() == size;
                return if is_whole {
                    to_usize(self.state.total_in())
                } else {
                    Err(PackError::Entry)
                };
            }
            if (self.state.total_in(), self.state.total_out()) == (used, written) {
                return Err(PackError::Entry);
            }
        }
    }
}

/// The pack without its trailing hash, if that matches.
fn verified_content(pack: &[u8], hash: hash::Kind) -> Result<&[u8], PackError> {
    let end = pack
        .len()
        .checked_sub(hash.len_in_bytes())
        .ok_or(PackError::Damaged)?;
    let (content, trailer) = pack.split_at(end);
    let mut hasher = hash::hasher(hash);
    hasher.update(content);
    let found = hasher.try_finalize().map_err(|_| PackError::Damaged)?;
    if found.as_slice() == trailer {
        Ok(content)
    } else {
        Err(PackError::Damaged)
    }
}

fn checked_total(total: u64, more: u64, limits: Limits) -> Result<u64, PackError> {
    let limit_bytes = limits.total;
    let sum = total.checked_add(more).filter(|sum| *sum <= limit_bytes);
    sum.ok_or(PackError::TooLarge { limit_bytes })
}

fn to_usize(number: u64) -> Result<usize, PackError> {
    usize::try_from(number).map_err(|_| PackError::Entry)
}

#[cfg(test)]
mod tests;
