//! Container images of plain manifests, wherever a pod template stands.
//!
//! A pod template is told by its shape, `spec` with a list of containers, so workload kinds of
//! any API group count, in every document of a file. Fields named `image` elsewhere do if that is
//! asked for ([`Scope::Fields`]); text in a `ConfigMap` does not.

use std::collections::BTreeSet;
use std::fmt;

use super::image::same_image;
use super::{EditError, Image, refuse_empty, settle};
use crate::yaml::{self, Excerpt, Kind, NodeId, Step, Stream};

const SPEC: &str = "spec";
const IMAGE: &str = "image";
/// The lists of a pod specification whose items run an image:
/// <https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.33/#podspec-v1-core>
const CONTAINER_LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// Which values count as images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Those of containers.
    Containers,
    /// Those of every field named `image`: custom resources have them anywhere.
    Fields,
}

/// What the containers of one repository should run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEdit {
    /// The repository the containers run now, in any spelling.
    pub repository: String,
    /// The image to run. The same repository keeps the spelling that each container has.
    pub image: Image,
    /// Which values count.
    pub scope: Scope,
}

impl fmt::Display for ManifestEdit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "image `{}`", self.repository)
    }
}

/// Reads the references by which containers (or fields) name `repository`, in the order of the file.
pub fn read(file: &[u8], repository: &str, scope: Scope) -> Result<Vec<String>, EditError> {
    let stream = Stream::parse(file)?;
    let references = images(&stream, scope)?
        .into_iter()
        .filter_map(|node| stream.scalar(node));
    let of_repository = references.filter(|text| same_image(Image::split(text).0, repository));
    Ok(of_repository.map(str::to_owned).collect())
}

/// Writes the images of all containers that match; `None` when all are right.
///
/// An edit that no container matches is an error: a file without the image is not a target.
pub fn edit(file: &[u8], edits: &[ManifestEdit]) -> Result<Option<Vec<u8>>, EditError> {
    for edit in edits {
        refuse_empty(&edit.repository, "repository", Some(&edit.repository))?;
        edit.image.refuse_empty_values()?;
    }
    settle(file, edits, next_step)
}

fn next_step(stream: &Stream, edit: &ManifestEdit) -> Result<Option<Step>, EditError> {
    let mut found = false;
    let mut changes = Vec::new();
    for node in images(stream, edit.scope)? {
        let Some(current) = stream.scalar(node) else {
            continue;
        };
        let name = Image::split(current).0;
        if !same_image(name, &edit.repository) && !same_image(name, &edit.image.name) {
            continue;
        }
        found = true;
        let text = edit.image.spelled_like(name).reference();
        if stream.set(node, &text)?.is_some() {
            changes.push((node, text));
        }
    }
    if !found {
        return Err(EditError::ImageNotFound {
            repository: Excerpt::new(&edit.repository),
        });
    }
    Ok((!changes.is_empty()).then_some(Step::Replace(changes)))
}

/// The image values in a scope, aliases followed, each once however many share it.
fn images(stream: &Stream, scope: Scope) -> Result<BTreeSet<NodeId>, EditError> {
    let has_key = |id: &NodeId, name: &str| {
        let key = stream.key_of(*id);
        key.is_some_and(|key| stream.scalar(key) == Some(name))
    };
    if scope == Scope::Fields {
        let fields = stream.ids().filter(|id| has_key(id, IMAGE));
        return Ok(fields.map(|id| stream.follow(id)).collect());
    }
    let mut images = BTreeSet::new();
    for id in stream.ids() {
        if !has_key(&id, SPEC) {
            continue;
        }
        let spec = stream.follow(id);
        for list in CONTAINER_LISTS {
            let Some(list) = yaml::lookup(stream, spec, list)?.value() else {
                continue;
            };
            let Kind::Sequence { items, .. } = &stream.node(stream.follow(list)).kind else {
                continue;
            };
            for container in items {
                let image = yaml::lookup(stream, stream.follow(*container), IMAGE)?.value();
                images.extend(image.map(|image| stream.follow(image)));
            }
        }
    }
    Ok(images)
}

#[cfg(test)]
mod tests;
