//! Reads what a command is given: a file, or standard input where the name is `-`. Bounded.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// The name that means standard input.
const STANDARD_INPUT: &str = "-";

/// Why something could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    /// There is no such file.
    #[error("{}: there is no such file", .path.display())]
    Missing {
        /// The name that was given.
        path: PathBuf,
    },
    /// It is a folder, a socket or the like.
    #[error("{}: it is not a file", .path.display())]
    NotAFile {
        /// The name that was given.
        path: PathBuf,
    },
    /// It is larger than what is read of it.
    #[error("{}: it has more than {limit_bytes} bytes, which is the most that is read", shown(.path))]
    TooLarge {
        /// The name that was given.
        path: PathBuf,
        /// The most.
        limit_bytes: usize,
    },
    /// It is not UTF-8.
    #[error("{}: it is not UTF-8 at byte {offset}", shown(.path))]
    NotText {
        /// The name that was given.
        path: PathBuf,
        /// The first byte that is not.
        offset: usize,
    },
    /// The system refused.
    #[error("{}: could not be read", shown(.path))]
    Refused {
        /// The name that was given.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// A failure of the system is one; all else is a wrong input.
impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Missing { .. } | ReadError::NotAFile { .. } => {
                Self::input(error).hint("check the name; - stands for standard input")
            }
            ReadError::TooLarge { .. } => Self::input(error).hint("is it the right file?"),
            ReadError::NotText { .. } => Self::input(error).hint("save it as UTF-8"),
            ReadError::Refused { .. } => Self::failed(error).hint("check who may read it"),
        }
    }
}

/// Whether a name means standard input.
pub(super) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// The name as messages have it.
pub(super) fn shown(path: &Path) -> String {
    if is_standard_input(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Reads all of it, `limit_bytes` at most.
pub(super) fn read(path: &Path, limit_bytes: usize) -> Result<Vec<u8>, ReadError> {
    let bytes = if is_standard_input(path) {
        bounded(io::stdin().lock(), limit_bytes)
    } else {
        // A named pipe, as the shell's `<(…)`, is read like a file.
        File::open(path).and_then(|file| bounded(file, limit_bytes))
    };
    let path = path.to_owned();
    match bytes {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(ReadError::TooLarge { path, limit_bytes }),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(ReadError::Missing { path }),
        Err(error) if error.kind() == ErrorKind::IsADirectory => Err(ReadError::NotAFile { path }),
        Err(source) => Err(ReadError::Refused { path, source }),
    }
}

/// Reads all of it as text.
pub(super) fn read_text(path: &Path, limit_bytes: usize) -> Result<String, ReadError> {
    String::from_utf8(read(path, limit_bytes)?).map_err(|error| ReadError::NotText {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// `None` if there is more than `limit_bytes`.
fn bounded(source: impl Read, limit_bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(limit_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    source.take(one_more).read_to_end(&mut bytes)?;
    Ok((bytes.len() <= limit_bytes).then_some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_limit_is_read() {
        let read = |limit| bounded(&b"12345"[..], limit).expect("a slice can be read");
        assert_eq!(read(5), Some(b"12345".to_vec()));
        assert_eq!(read(4), None);
        assert_eq!(bounded(io::repeat(0), 1000).expect("it never fails"), None);
    }
}
