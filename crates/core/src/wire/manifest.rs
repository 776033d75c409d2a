//! Reads image manifests, image indexes and image configs: which platforms, and when built.
//!
//! Both families of media types are read, OCI's and Docker's. What is no container image (charts,
//! signatures, attestations, types that nobody here knows) is told apart and passed over, never
//! guessed at. Whether the bytes are those of a digest is checked by who fetched them.
//!
//! Specification: <https://github.com/opencontainers/image-spec/tree/v1.1.1>

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::image::{Build, Digest, Platform};

/// The largest manifest, index or config that is read, in bytes: what registries accept as a
/// manifest, see
/// <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#pushing-manifests>.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The most entries of an index. The largest official images have some forty, attestations
/// included.
pub const MAX_ENTRIES: usize = 256;

/// The media types of one image's manifest.
const IMAGE_TYPES: [&str; 2] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// The media types of an index.
const INDEX_TYPES: [&str; 2] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// The media types of a container image's config.
const CONFIG_TYPES: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// Marks a manifest that says something about another one of the same index:
/// <https://github.com/moby/buildkit/blob/v0.12.0/docs/attestations/attestation-storage.md>
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// What a manifest describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manifest {
    /// One container image. Its platform and its time stand in its config.
    Image {
        /// The digest of the config.
        config: Digest,
    },
    /// Several container images, in the order of the index.
    Index(Vec<Entry>),
    /// No container image, or a type that is not known here.
    Other,
}

/// One container image of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The digest of its manifest.
    pub digest: Digest,
    /// What it was built for; `None` if only its config says so.
    pub platform: Option<Platform>,
}

/// Why bytes are no manifest and no config.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Larger than [`MAX_BYTES`].
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Not the JSON it should be.
    #[error("its JSON cannot be read at line {line}, column {column}")]
    Json {
        /// Counted from one.
        line: usize,
        /// Counted from one.
        column: usize,
    },
    /// It can be read as an image and as an index, which would be two different things:
    /// <https://github.com/opencontainers/distribution-spec/security/advisories/GHSA-mc8v-mgrf-8f4m>
    #[error("it is an image and an index at once")]
    Ambiguous,
    /// The digest of the config is missing or is none.
    #[error("its config has no usable digest")]
    NoConfig,
    /// The index has more than [`MAX_ENTRIES`] entries.
    #[error("the index has more than {MAX_ENTRIES} entries")]
    TooManyEntries,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawManifest {
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<RawDescriptor>,
    layers: Option<Value>,
    manifests: Option<Vec<RawDescriptor>>,
}

/// Fields that may be anything are read as that, so that one odd entry does not spoil the rest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: Value,
    #[serde(default)]
    digest: Value,
    #[serde(default)]
    platform: Value,
    #[serde(default)]
    artifact_type: Value,
    #[serde(default)]
    annotations: Value,
}

/// Reads a manifest or an index of this content type.
///
/// The media type in the document goes before that of the answer, which no digest covers.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Manifest, Error> {
    let is_known = |name: &str| IMAGE_TYPES.contains(&name) || INDEX_TYPES.contains(&name);
    if !is_known(content_type) {
        return Ok(Manifest::Other);
    }
    let raw: RawManifest = read(body)?;
    if raw.manifests.is_some() && (raw.config.is_some() || raw.layers.is_some()) {
        return Err(Error::Ambiguous);
    }
    let media_type = raw.media_type.as_deref().unwrap_or(content_type);
    if INDEX_TYPES.contains(&media_type) {
        if raw.config.is_some() || raw.layers.is_some() {
            return Err(Error::Ambiguous);
        }
        return entries(&raw.manifests.unwrap_or_default()).map(Manifest::Index);
    }
    if !IMAGE_TYPES.contains(&media_type) || raw.artifact_type.is_some() {
        return Ok(Manifest::Other);
    }
    if raw.manifests.is_some() {
        return Err(Error::Ambiguous);
    }
    let config = raw.config.ok_or(Error::NoConfig)?;
    if !is_one_of(&config.media_type, &CONFIG_TYPES) {
        return Ok(Manifest::Other);
    }
    let config = config.digest().ok_or(Error::NoConfig)?;
    Ok(Manifest::Image { config })
}

/// Reads the config of a container image.
///
/// `created` is whatever the builder left there: nothing, an empty text, a number. What is no
/// time is none.
pub fn parse_config(body: &[u8]) -> Result<Build, Error> {
    let raw: Value = read(body)?;
    let created = raw.get("created").and_then(Value::as_str);
    Ok(Build {
        platform: platform(&raw),
        created: created.and_then(|text| text.trim().parse::<Timestamp>().ok()),
    })
}

/// Reads `body` in every way there is. For fuzzing: whatever the bytes, it returns.
pub fn read_anything(body: &[u8]) {
    for content_type in IMAGE_TYPES.into_iter().chain(INDEX_TYPES) {
        parse(content_type, body).ok();
    }
    parse_config(body).ok();
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Error> {
    if body.len() > MAX_BYTES {
        return Err(Error::TooLarge);
    }
    serde_json::from_slice(body).map_err(|error| Error::Json {
        line: error.line(),
        column: error.column(),
    })
}

fn entries(raw: &[RawDescriptor]) -> Result<Vec<Entry>, Error> {
    if raw.len() > MAX_ENTRIES {
        return Err(Error::TooManyEntries);
    }
    Ok(raw.iter().filter_map(RawDescriptor::entry).collect())
}

impl RawDescriptor {
    fn digest(&self) -> Option<Digest> {
        self.digest.as_str()?.parse().ok()
    }

    /// The image that the descriptor names; `None` if it names something else.
    fn entry(&self) -> Option<Entry> {
        let is_artifact = self.artifact_type.is_string()
            || self
                .annotations
                .get(REFERENCE_TYPE)
                .is_some_and(Value::is_string);
        if is_artifact || !is_one_of(&self.media_type, &IMAGE_TYPES) {
            return None;
        }
        let platform = if self.platform.is_null() {
            None
        } else {
            Some(platform(&self.platform)?)
        };
        Some(Entry {
            digest: self.digest()?,
            platform,
        })
    }
}

fn is_one_of(value: &Value, names: &[&str]) -> bool {
    value.as_str().is_some_and(|name| names.contains(&name))
}

/// The platform of a descriptor or a config. `unknown`, as attestations write it, is none.
fn platform(value: &Value) -> Option<Platform> {
    let text = |name: &str| value.get(name).and_then(Value::as_str);
    let (os, architecture) = (text("os")?, text("architecture")?);
    if os == "unknown" || architecture == "unknown" {
        return None;
    }
    Platform::new(os, architecture, text("variant").unwrap_or_default()).ok()
}

#[cfg(test)]
mod tests;
