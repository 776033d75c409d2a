//! Writes the pack of a push.

use std::collections::HashSet;

use gix::{
    ObjectId, hash,
    zlib::{
        Compression, Status,
        stream::deflate::{Compress, FlushCompress},
    },
};
use gix_pack::data::{self, entry::Header};

use super::{PackError, delta};
use crate::git::object::NewObject;

/// A pack in the making. An object that is added is kept as what is sent of it, no more: a change
/// in a large tree is a few bytes.
pub(crate) struct Writer {
    pack: Vec<u8>,
    /// Used for one entry after the other: it takes hundreds of kilobytes, entries have a few dozen.
    compressor: Compress,
    hash: hash::Kind,
    /// Whether there may be deltas upon what is not in the pack.
    is_thin: bool,
    written: HashSet<ObjectId>,
    count: u32,
}

impl Writer {
    /// An empty pack.
    ///
    /// With `is_thin`, an object that replaces another one is written as a delta to it where that is
    /// smaller; the server then must have the replaced one, and does, for it is in the parent
    /// commit. Without, only if the replaced one is in the pack.
    pub(crate) fn new(hash: hash::Kind, is_thin: bool) -> Self {
        Self {
            // The number of objects is known in the end.
            pack: data::header::encode(data::Version::V2, 0).to_vec(),
            compressor: Compress::new(Compression::DEFAULT),
            hash,
            is_thin,
            written: HashSet::new(),
            count: 0,
        }
    }

    /// Writes an object.
    pub(crate) fn add(&mut self, new: &NewObject) -> Result<(), PackError> {
        let content = &new.object.data;
        let replaced = new.replaces.as_ref();
        let base = replaced.filter(|(id, _)| self.is_thin || self.written.contains(id));
        let delta = base.map(|(id, base)| (*id, delta::create(base, content)));
        match delta {
            Some((base_id, delta)) if delta.len() < content.len() => {
                self.entry(Header::RefDelta { base_id }, &delta)?;
            }
            _ => self.entry(header(new.object.kind), content)?,
        }
        self.written.insert(new.id);
        self.count = self.count.checked_add(1).ok_or(PackError::Write)?;
        Ok(())
    }

    fn entry(&mut self, header: Header, content: &[u8]) -> Result<(), PackError> {
        let size = u64::try_from(content.len()).map_err(|_| PackError::Write)?;
        let written = header.write_to(size, &mut self.pack);
        written.map_err(|_| PackError::Write)?;
        self.compress(content).ok_or(PackError::Write)
    }

    /// Appends `content` as a stream of zlib.
    fn compress(&mut self, content: &[u8]) -> Option<()> {
        let compressor = &mut self.compressor;
        compressor.reset();
        let mut rest = content;
        let mut buffer = [0; 4096];
        loop {
            let (before_in, before_out) = (compressor.total_in(), compressor.total_out());
            let status = compressor.compress(rest, &mut buffer, FlushCompress::Finish);
            let status = status.ok()?;
            let read = usize::try_from(compressor.total_in() - before_in).ok()?;
            let made = usize::try_from(compressor.total_out() - before_out).ok()?;
            self.pack.extend_from_slice(buffer.get(..made)?);
            rest = rest.get(read..)?;
            match status {
                Status::StreamEnd => return Some(()),
                Status::Ok | Status::BufError if read + made > 0 => {}
                Status::Ok | Status::BufError => return None,
            }
        }
    }

    /// The pack as it is sent.
    pub(crate) fn finish(self) -> Result<Vec<u8>, PackError> {
        let mut pack = self.pack;
        let header = data::header::encode(data::Version::V2, self.count);
        pack[..header.len()].copy_from_slice(&header);
        let mut hasher = hash::hasher(self.hash);
        hasher.update(&pack);
        let trailer = hasher.try_finalize().map_err(|_| PackError::Write)?;
        pack.extend_from_slice(trailer.as_slice());
        Ok(pack)
    }
}

/// Writes `objects` into a pack; for `is_thin` see [`Writer::new`].
pub(crate) fn encode(
    objects: &[NewObject],
    hash: hash::Kind,
    is_thin: bool,
) -> Result<Vec<u8>, PackError> {
    let mut writer = Writer::new(hash, is_thin);
    for object in objects {
        writer.add(object)?;
    }
    writer.finish()
}

fn header(kind: gix::objs::Kind) -> Header {
    match kind {
        gix::objs::Kind::Commit => Header::Commit,
        gix::objs::Kind::Tree => Header::Tree,
        gix::objs::Kind::Blob => Header::Blob,
        gix::objs::Kind::Tag => Header::Tag,
    }
}
