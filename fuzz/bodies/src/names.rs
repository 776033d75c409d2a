//! Names: of images, of paths in repositories, of remotes.

use image_update_core::image::{
    ConstrainedReference, Digest, Platform, Reference, Repository, Tag,
};
use image_update_core::remote::{BranchName, RemoteUrl, RepoFolder, RepoPath};

use super::text;

/// What is read and printed is read as the same.
pub(super) fn references(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(reference) = text.parse::<Reference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference));
    }
    if let Ok(repository) = text.parse::<Repository>() {
        assert_eq!(repository.to_string().parse(), Ok(repository.clone()));
        assert_eq!(repository.familiar().parse(), Ok(repository));
    }
    if let Ok(tag) = text.parse::<Tag>() {
        assert_eq!(tag.as_str(), text);
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.as_str(), text);
    }
    if let Ok(platform) = text.parse::<Platform>() {
        assert_eq!(platform.to_string().parse(), Ok(platform));
    }
    drop(text.parse::<ConstrainedReference>());
}

/// A path stays in its repository, and a folder has what it is joined to.
pub(super) fn repository_paths(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(path) = text.parse::<RepoPath>() {
        let mut names = path.components();
        assert!(names.all(|name| !matches!(name, "" | "." | ".." | ".git")));
        assert_eq!(path.as_str(), text);
    }
    let (folder, name) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(folder) = folder.parse::<RepoFolder>()
        && let Ok(path) = folder.join(name)
    {
        assert!(folder.contains(&path), "{folder} {path}");
    }
    if let Ok(branch) = text.parse::<BranchName>() {
        assert_eq!(branch.as_str(), text);
    }
}

/// An address that was read holds no credential.
pub(super) fn remote_urls(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(url) = text.parse::<RemoteUrl>() {
        assert_eq!(url.to_string().parse(), Ok(url.clone()));
        assert!(!url.host().is_empty());
    }
}
