//! Replaces a file in one step: whoever reads it sees the old text or the new, never a part.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::cli::failure::Failure;
use crate::cli::input;

/// What programs ask for where they make a file; the user's mask takes away of it. Temporary files
/// are for their owner only otherwise.
const NEW_FILE_MODE: u32 = 0o666;

/// The file that is to be replaced, as it was when it was looked at.
#[derive(Debug)]
pub(super) struct Original {
    path: PathBuf,
    /// `None` where there is no file yet: it is made with the mode that others get.
    metadata: Option<Metadata>,
}

/// Why a file is not replaced.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplaceError {
    /// Standard input cannot be replaced.
    #[error("standard input cannot be edited in place")]
    StandardInput,
    /// A symbolic link would be lost, or a file elsewhere be changed that nobody named.
    #[error("{}: it is a symbolic link", .path.display())]
    SymbolicLink {
        /// The link.
        path: PathBuf,
    },
    /// It is a folder, a pipe or the like.
    #[error("{}: it is not a file", .path.display())]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// The system refused; the file is as it was.
    #[error("{}: could not be replaced, and is as it was", .path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl From<ReplaceError> for Failure {
    fn from(error: ReplaceError) -> Self {
        match error {
            ReplaceError::StandardInput => {
                Self::input(error).hint("leave out -i: the new text is printed")
            }
            ReplaceError::SymbolicLink { .. } => {
                Self::input(error).hint("name the file it leads to")
            }
            ReplaceError::NotAFile { .. } => Self::input(error).hint("name a regular file"),
            ReplaceError::Refused { .. } => {
                Self::failed(error).hint("check who may write into its folder")
            }
        }
    }
}

impl Original {
    /// Looks at the file. One that is missing is no error: whether it may be is not decided here.
    pub(super) fn open(path: &Path) -> Result<Self, ReplaceError> {
        if input::is_standard_input(path) {
            return Err(ReplaceError::StandardInput);
        }
        let path = path.to_owned();
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_symlink() => {
                return Err(ReplaceError::SymbolicLink { path });
            }
            Ok(metadata) if !metadata.is_file() => return Err(ReplaceError::NotAFile { path }),
            Ok(metadata) => Some(metadata),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(source) => return Err(ReplaceError::Refused { path, source }),
        };
        Ok(Self { path, metadata })
    }

    /// Puts a file with `bytes`, the same owner and the same mode in its place.
    pub(super) fn replace(self, bytes: &[u8]) -> Result<(), ReplaceError> {
        let Self { path, metadata } = self;
        let written = match metadata {
            Some(metadata) => swap(&path, &metadata, bytes),
            // It appears whole or, if somebody was faster, not at all.
            None => create(&path, bytes),
        };
        written.map_err(|source| ReplaceError::Refused { path, source })
    }
}

fn swap(path: &Path, original: &Metadata, bytes: &[u8]) -> io::Result<()> {
    let folder = folder(path);
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    // Only root may give a file away. Whoever may not replaces it as theirs, as editors do.
    fchown(file.as_file(), Some(original.uid()), Some(original.gid())).ok();
    // After that, since a new owner takes away some of the mode.
    file.as_file().set_permissions(original.permissions())?;
    // The text is on the disk before the name leads to it.
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn create(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(NEW_FILE_MODE))
        .tempfile_in(folder(path))?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    let made = file.persist_noclobber(path);
    made.map(|_| ()).map_err(|error| error.error)
}

/// The folder of a file; a name alone is in the current one.
fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}
