//! Writes the pack of a push.

use std::{borrow::Borrow, io::Write as _};

use gix::{hash, zlib};
use gix_pack::data::{self, entry::Header};

use super::{PackError, delta};
use crate::git::object::NewObject;

/// Writes `objects` into a pack.
///
/// With `thin`, an object that replaces another one is sent as a delta to it where that is smaller;
/// the server then must have the replaced one, and does, for it is in the parent commit.
pub(crate) fn encode(
    objects: &[impl Borrow<NewObject>],
    hash: hash::Kind,
    thin: bool,
) -> Result<Vec<u8>, PackError> {
    let count = u32::try_from(objects.len()).map_err(|_| PackError::Write)?;
    let mut pack = data::header::encode(data::Version::V2, count).to_vec();
    for object in objects.iter().map(Borrow::borrow) {
        let replaced = object.replaces.as_ref().filter(|_| thin);
        let delta = replaced.map(|(id, base)| (*id, delta::create(base, &object.object.data)));
        match delta {
            Some((base_id, delta)) if delta.len() < object.object.data.len() => {
                entry(&mut pack, Header::RefDelta { base_id }, &delta)?;
            }
            _ => {
                entry(&mut pack, header(object.object.kind), &object.object.data)?;
            }
        }
    }
    let mut hasher = hash::hasher(hash);
    hasher.update(&pack);
    let trailer = hasher.try_finalize().map_err(|_| PackError::Write)?;
    pack.extend_from_slice(trailer.as_slice());
    Ok(pack)
}

fn entry(pack: &mut Vec<u8>, header: Header, content: &[u8]) -> Result<(), PackError> {
    let size = u64::try_from(content.len()).map_err(|_| PackError::Write)?;
    header.write_to(size, pack).map_err(|_| PackError::Write)?;
    let compression = zlib::Compression::DEFAULT;
    let mut writer = zlib::stream::deflate::Write::new(std::mem::take(pack), compression);
    writer.write_all(content).map_err(|_| PackError::Write)?;
    writer.flush().map_err(|_| PackError::Write)?;
    *pack = writer.into_inner();
    Ok(())
}

fn header(kind: gix::objs::Kind) -> Header {
    match kind {
        gix::objs::Kind::Commit => Header::Commit,
        gix::objs::Kind::Tree => Header::Tree,
        gix::objs::Kind::Blob => Header::Blob,
        gix::objs::Kind::Tag => Header::Tag,
    }
}
