//! Names: of images, of paths in repositories, of remotes.

use image_update_core::argocd::repository::{self, Entry, EntryKind};
use image_update_core::image::{
    ConstrainedReference, Digest, Platform, Reference, Repository, Tag,
};
use image_update_core::remote::{RemoteUrl, RepoFolder, RepoPath};

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
}

/// A template's address on the first line, a project's pattern on the second, a remote on the third.
/// A credential never leaves its server.
pub(super) fn argocd_repositories(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let mut lines = text.lines();
    let mut line = || lines.next().unwrap_or_default();
    let (template, pattern, remote) = (line(), line(), line());
    let Ok(remote) = remote.parse::<RemoteUrl>() else {
        return;
    };
    let entry = Entry {
        kind: EntryKind::Template,
        url: template,
        project: None,
    };
    if repository::find(&remote, None, &[entry]).template.is_some() {
        let template = format!("{}/x", template.trim().trim_end_matches('/'));
        let server = |url: &RemoteUrl| (url.scheme(), url.host().to_owned(), url.port());
        let template = template.parse().expect("what was found can be read");
        assert_eq!(server(&template), server(&remote));
    }
    let permits = |patterns: &[&str]| {
        let patterns: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        repository::permits(&patterns, &remote)
    };
    // No pattern permits what another one forbids.
    assert!(!permits(&[pattern, "!*"]));
    assert!(!pattern.starts_with('!') || !permits(&[pattern]));
}

/// An address that was read holds no credential.
pub(super) fn remote_urls(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(url) = text.parse::<RemoteUrl>() {
        assert_eq!(url.to_string().parse(), Ok(url.clone()));
        assert!(!url.host().is_empty());
    }
}
