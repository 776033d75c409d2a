//! A folder inside a repository's tree; the root is one.

use std::fmt;
use std::str::FromStr;

use super::path::{RepoPath, RepoPathError};

/// A folder of a repository, relative to the root.
///
/// # Examples
///
/// ```
/// # use image_update_core::remote::RepoFolder;
/// let folder: RepoFolder = "apps/shop".parse()?;
/// assert!(folder.contains(&"apps/shop/web/deployment.yaml".parse()?));
/// assert!(!folder.contains(&"apps/shopping/deployment.yaml".parse()?));
/// assert!(RepoFolder::root().contains(&"README.md".parse()?));
/// # Ok::<(), image_update_core::remote::RepoPathError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoFolder(Option<RepoPath>);

impl RepoFolder {
    /// The root.
    pub fn root() -> Self {
        Self(None)
    }

    /// The folder's path; `None` for the root, which has none.
    pub fn path(&self) -> Option<&RepoPath> {
        self.0.as_ref()
    }

    /// Whether `path` is somewhere below.
    pub fn contains(&self, path: &RepoPath) -> bool {
        self.0.as_ref().is_none_or(|folder| {
            let below = path.as_str().strip_prefix(folder.as_str());
            below.is_some_and(|below| below.starts_with('/'))
        })
    }

    /// The path of `relative` in this folder.
    pub fn join(&self, relative: &str) -> Result<RepoPath, RepoPathError> {
        match &self.0 {
            Some(folder) => folder.join(relative),
            None => relative.parse(),
        }
    }
}

impl From<RepoPath> for RepoFolder {
    fn from(path: RepoPath) -> Self {
        Self(Some(path))
    }
}

impl FromStr for RepoFolder {
    type Err = RepoPathError;

    /// The empty path and `.` are the root.
    fn from_str(text: &str) -> Result<Self, RepoPathError> {
        match text {
            "" | "." => Ok(Self::root()),
            path => path.parse().map(|path| Self(Some(path))),
        }
    }
}

impl fmt::Display for RepoFolder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(path) => fmt::Display::fmt(path, formatter),
            None => formatter.write_str("."),
        }
    }
}
