//! What a git server's bytes go through, for the fuzz targets: readers that must get along with
//! anything. No part of the operator calls this, and nothing is decided here.

use bytes::Bytes;
use gix::{ObjectId, hash, objs::Kind};
use image_update_core::remote::BranchName;

use super::{
    error::{PackError, ProtocolError},
    object::{NewObject, Object},
    pack::{
        decode::{Limits, decode},
        delta,
        encode::encode,
    },
    protocol::{
        capabilities::{ReceivePack, UploadPack},
        fetch, ls_refs,
        packet::{End, Lines, find_end},
        push,
    },
};

/// An object that came out of a pack.
pub type Unpacked = (ObjectId, Kind, Bytes);

/// How many lines there are up to the flush that ends an answer, and where that is; nothing if the
/// bytes have no such end.
pub fn lines(bytes: &[u8]) -> Option<Result<(usize, usize), ProtocolError>> {
    let End::At(end) = find_end(bytes, 0) else {
        return None;
    };
    let mut count = 0;
    for line in Lines::new(bytes.get(..end)?) {
        match line {
            Ok(_) => count += 1,
            Err(error) => return Some(Err(error)),
        }
    }
    Some(Ok((count, end)))
}

/// Reads an answer as everything that it may be, by what the first answer says: `advertisement`.
pub fn answers(advertisement: &[u8], answer: &[u8], branch: &BranchName) {
    if let Ok(server) = UploadPack::parse(advertisement) {
        drop(fetch::parse(server.version, answer));
        drop(ls_refs::parse(answer, Some(branch)));
        drop(ls_refs::parse_advertisement(advertisement, Some(branch)));
    }
    if let Ok(server) = ReceivePack::parse(advertisement) {
        drop(push::parse(server, branch, answer));
    }
}

/// The objects of a pack that is given without the hash at its end, up to so many bytes each, and in
/// all sixteen times that.
pub fn unpack(content: &[u8], limit_bytes: usize) -> Result<Vec<Unpacked>, PackError> {
    let mut pack = content.to_vec();
    let mut hasher = hash::hasher(hash::Kind::Sha1);
    hasher.update(content);
    let trailer = hasher.try_finalize().map_err(|_| PackError::Damaged)?;
    pack.extend_from_slice(trailer.as_slice());
    let limits = Limits {
        blob: limit_bytes,
        other: limit_bytes,
        total: limit_bytes as u64 * 16,
    };
    let mut objects = Vec::new();
    let visit = |id, object: Object| objects.push((id, object.kind, object.data));
    decode(&pack, hash::Kind::Sha1, limits, |_| None, visit)?;
    Ok(objects)
}

/// A pack of objects, without the hash at its end, in which each is a delta upon the one before
/// where that is smaller.
pub fn pack(objects: &[Unpacked]) -> Result<Vec<u8>, PackError> {
    let mut before: Option<&Unpacked> = None;
    let new = objects.iter().map(|unpacked| {
        let (id, kind, data) = unpacked;
        let base = before.replace(unpacked).filter(|base| base.1 == *kind);
        NewObject {
            id: *id,
            object: Object {
                kind: *kind,
                data: data.clone(),
            },
            replaces: base.map(|(id, _, data)| (*id, data.clone())),
        }
    });
    let new: Vec<NewObject> = new.collect();
    let mut pack = encode(&new, hash::Kind::Sha1, true)?;
    pack.truncate(pack.len() - hash::Kind::Sha1.len_in_bytes());
    Ok(pack)
}

/// Applies a delta.
pub fn apply(base: &[u8], delta: &[u8], limit_bytes: usize) -> Result<Vec<u8>, PackError> {
    delta::apply(base, delta, limit_bytes)
}

/// Makes a delta.
pub fn delta(base: &[u8], target: &[u8]) -> Vec<u8> {
    delta::create(base, target)
}
