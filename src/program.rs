//! Runs a program that prints a credential. Nothing that it prints is logged or stands in an error.

use std::ffi::OsStr;
use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use zeroize::Zeroizing;

/// How long a program may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The most it may print: tokens of clouds have a few thousand bytes.
const MAX_OUTPUT_BYTES: u64 = 64 * 1024;

/// Why a program gave no credential. What it printed is not repeated.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started, or read from.
    #[error("{0}")]
    Io(io::Error),
    /// It took too long, and was ended.
    #[error("it took longer than {} seconds", TIMEOUT.as_secs())]
    Timeout,
    /// It failed.
    #[error("it ended with {0}")]
    Failed(ExitStatus),
    /// It printed too much.
    #[error("it printed more than {MAX_OUTPUT_BYTES} bytes")]
    TooMuch,
    /// It printed no text.
    #[error("it did not print text")]
    NotText,
}

/// How a program is run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Call<'a> {
    /// Its arguments.
    pub arguments: &'a [&'a str],
    /// Variables, besides those of this process.
    pub variables: &'a [(&'a str, &'a str)],
    /// What it reads.
    pub input: &'a str,
}

/// What `program` prints: a path, or a name that is looked for in `PATH`. What it says on standard
/// error is dropped, for it may be the credential.
pub async fn run(program: &OsStr, call: Call<'_>) -> Result<Zeroizing<String>, ProgramError> {
    let mut child = Command::new(program)
        .args(call.arguments)
        .envs(call.variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(ProgramError::Io)?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let ended = async {
        if let Some(mut input) = input {
            // One that reads nothing may be gone before it is written.
            input.write_all(call.input.as_bytes()).await.ok();
        }
        let mut bytes = Zeroizing::new(Vec::new());
        if let Some(output) = output {
            let mut output = output.take(MAX_OUTPUT_BYTES + 1);
            let read = output.read_to_end(&mut bytes).await;
            read.map_err(ProgramError::Io)?;
        }
        if bytes.len() as u64 > MAX_OUTPUT_BYTES {
            return Err(ProgramError::TooMuch);
        }
        let status = child.wait().await.map_err(ProgramError::Io)?;
        if !status.success() {
            return Err(ProgramError::Failed(status));
        }
        let text = str::from_utf8(&bytes).map_err(|_| ProgramError::NotText)?;
        Ok(Zeroizing::new(text.to_owned()))
    };
    let result = tokio::time::timeout(TIMEOUT, ended).await;
    result.unwrap_or(Err(ProgramError::Timeout))
}
