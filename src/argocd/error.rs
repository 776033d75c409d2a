//! Why an Application was not written.

use crate::request_error::RequestError;

/// Why an Application was not written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be read.
    #[error("could not read Application {name}")]
    Read {
        /// `namespace/name`.
        name: String,
        /// What the API server said.
        #[source]
        source: RequestError,
    },
    /// It is not there any more.
    #[error("Application {name} is not there any more")]
    Gone {
        /// `namespace/name`.
        name: String,
    },
    /// The API server refused the patch.
    #[error("could not write Application {name}")]
    Write {
        /// `namespace/name`.
        name: String,
        /// What the API server said.
        #[source]
        source: RequestError,
    },
    /// Others changed it each time in between.
    #[error("Application {name} was changed by others {attempts} times in a row")]
    Conflict {
        /// `namespace/name`.
        name: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// What was decided is no override file.
    #[error("the overrides of Application {name} can't be read back")]
    Overrides {
        /// `namespace/name`.
        name: String,
        /// What is wrong.
        #[source]
        source: Box<serde_yaml::Error>,
    },
}
