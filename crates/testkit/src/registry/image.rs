//! Images small enough to push in milliseconds, and the requests that push them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Error, Registry};
use crate::stack::hex;

/// An uncompressed layer without files: the two empty blocks that end every tar archive.
const LAYER: &[u8] = &[0; 1024];

const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";

/// What an image is made of. Two images differ if any of this does, or the tag.
#[derive(Debug, Clone)]
pub struct PushOptions {
    /// The configuration's `created`; without it, the property is absent.
    pub created: Option<Timestamp>,
    /// `os/architecture[/variant]`. More than one makes an index; none means `linux/amd64`.
    pub platforms: Vec<String>,
    /// The `created` of those platforms that have one of their own.
    pub created_for: BTreeMap<String, Timestamp>,
    /// Whether the index has an attestation, as buildx adds one for each image.
    pub attested: bool,
    /// Annotations of the manifest, or of the index if there is one.
    pub annotations: BTreeMap<String, String>,
    /// Any text: another one makes another digest under the same tag.
    pub content: String,
}

impl Default for PushOptions {
    /// One `linux/amd64` image, created when 2024 began.
    fn default() -> Self {
        Self {
            created: Timestamp::from_second(1_704_067_200).ok(),
            platforms: Vec::new(),
            created_for: BTreeMap::new(),
            attested: false,
            annotations: BTreeMap::new(),
            content: String::new(),
        }
    }
}

impl Registry {
    /// Pushes a tiny image; returns its digest. See [`Self::push_image`].
    pub async fn push(&self, repository: &str, tag: &str) -> Result<String, Error> {
        self.push_image(repository, tag, &PushOptions::default())
            .await
    }

    /// Pushes an image with one empty layer for each platform, and returns the digest of what
    /// `tag` then names: the manifest, or the index of several. A used tag moves.
    pub async fn push_image(
        &self,
        repository: &str,
        tag: &str,
        options: &PushOptions,
    ) -> Result<String, Error> {
        let layer = self
            .push_blob(repository, LAYER_TYPE, LAYER.to_vec())
            .await?;
        let linux = ["linux/amd64".to_owned()];
        let platforms = if options.platforms.is_empty() {
            &linux
        } else {
            &*options.platforms
        };

        let mut manifests = Vec::new();
        for platform in platforms {
            let created = options.created_for.get(platform).copied();
            let platform = describe(platform);
            let config = configuration(tag, &platform, created.or(options.created), options)
                .to_string()
                .into_bytes();
            let config = self.push_blob(repository, CONFIG_TYPE, config).await?;
            manifests.push((
                platform,
                json!({
                    "schemaVersion": 2,
                    "mediaType": MANIFEST_TYPE,
                    "config": config,
                    "layers": [layer.clone()],
                }),
            ));
        }

        if options.attested {
            manifests.push(self.attestation(repository).await?);
        }

        let mut top = match manifests.as_slice() {
            [(_, manifest)] => manifest.clone(),
            several => {
                let mut descriptors = Vec::new();
                for (platform, manifest) in several {
                    let body = manifest.to_string().into_bytes();
                    let mut descriptor = descriptor(MANIFEST_TYPE, &body);
                    let digest = digest(&body);
                    self.put_manifest(repository, &digest, MANIFEST_TYPE, body)
                        .await?;
                    descriptor["platform"] = platform.clone();
                    descriptors.push(descriptor);
                }
                json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": descriptors })
            }
        };
        if !options.annotations.is_empty() {
            top["annotations"] = json!(options.annotations);
        }
        let media_type = if manifests.len() == 1 {
            MANIFEST_TYPE
        } else {
            INDEX_TYPE
        };
        let body = top.to_string().into_bytes();
        let digest = digest(&body);
        self.put_manifest(repository, tag, media_type, body).await?;
        Ok(digest)
    }

    /// Gives what `tag` names another tag, too.
    pub async fn copy_tag(&self, repository: &str, tag: &str, copy: &str) -> Result<(), Error> {
        let action = "read a manifest";
        let request = self
            .request(Method::GET, repository, &format!("manifests/{tag}"))
            .header(ACCEPT, format!("{MANIFEST_TYPE}, {INDEX_TYPE}"));
        let answer = self.send(action, request).await?;
        let is_index = answer
            .headers()
            .get(CONTENT_TYPE)
            .is_some_and(|it| it == INDEX_TYPE);
        let body = answer.bytes().await;
        let body = body.map_err(|source| Error::Request { action, source })?;
        let media_type = if is_index { INDEX_TYPE } else { MANIFEST_TYPE };
        self.put_manifest(repository, copy, media_type, body.to_vec())
            .await
    }

    /// A manifest that is no image; buildx names its platform so that nobody runs it.
    async fn attestation(&self, repository: &str) -> Result<(Value, Value), Error> {
        let statement = "application/vnd.in-toto+json";
        let statement = self
            .push_blob(repository, statement, b"{}".to_vec())
            .await?;
        let config = self
            .push_blob(repository, CONFIG_TYPE, b"{}".to_vec())
            .await?;
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config,
            "layers": [statement],
        });
        Ok((describe("unknown/unknown"), manifest))
    }

    async fn push_blob(
        &self,
        repository: &str,
        media_type: &str,
        blob: Vec<u8>,
    ) -> Result<Value, Error> {
        let descriptor = descriptor(media_type, &blob);
        let begin = self.request(Method::POST, repository, "blobs/uploads/");
        let answer = self.send("begin an upload", begin).await?;
        let location = answer
            .headers()
            .get(LOCATION)
            .and_then(|value| value.to_str().ok());
        let mut location = location
            .and_then(|text| answer.url().join(text).ok())
            .ok_or(Error::UploadLocation)?;
        location
            .query_pairs_mut()
            .append_pair("digest", &digest(&blob));
        let upload = self
            .authorize(self.http.put(location), repository)
            .body(blob);
        self.send("upload a blob", upload).await?;
        Ok(descriptor)
    }

    async fn put_manifest(
        &self,
        repository: &str,
        reference: &str,
        media_type: &'static str,
        body: Vec<u8>,
    ) -> Result<(), Error> {
        let request = self
            .request(Method::PUT, repository, &format!("manifests/{reference}"))
            .header(CONTENT_TYPE, media_type)
            .body(body);
        self.send("push a manifest", request).await.map(drop)
    }
}

/// The configuration of an image with [`LAYER`] for its only layer.
fn configuration(
    tag: &str,
    platform: &Value,
    created: Option<Timestamp>,
    options: &PushOptions,
) -> Value {
    let mut configuration = platform.clone();
    configuration["config"] = json!({ "Labels": { "tag": tag, "content": options.content } });
    configuration["rootfs"] = json!({ "type": "layers", "diff_ids": [digest(LAYER)] });
    if let Some(created) = created {
        configuration["created"] = json!(created.to_string());
    }
    configuration
}

/// `os/architecture[/variant]` as the OCI specification writes it.
fn describe(platform: &str) -> Value {
    let mut parts = platform.splitn(3, '/');
    let names = ["os", "architecture", "variant"];
    names
        .into_iter()
        .zip(&mut parts)
        .map(|(name, part)| (name.to_owned(), json!(part)))
        .collect()
}

fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(content), "size": content.len() })
}

fn digest(content: &[u8]) -> String {
    format!("sha256:{}", hex(&Sha256::digest(content)))
}
