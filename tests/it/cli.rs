//! The command line, as the built program: what it prints, where, and how it ends.

mod cluster;
mod convert;
mod edit;
mod errors;
mod explain;
mod explain_policy;
mod golden;
mod in_place;
mod names;
mod offline;
mod progress;
mod refusals;
mod selection_page;
mod shell;
mod test_image;

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// How a run of the program ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).expect("the program prints text")
    }

    /// What a run prints that is done and has nothing to warn of.
    #[track_caller]
    fn done(&self) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.text()
    }

    #[track_caller]
    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| {
            unreachable!("standard output is one JSON value: {error}: {self:?}")
        })
    }
}

/// A run of the program in `folder`, which is its home, too. It sees no variable but `variables`.
pub(crate) fn run_with(
    program: &Path,
    folder: &Path,
    arguments: &[&str],
    input: &[u8],
    variables: &[(&str, &str)],
) -> Ran {
    #[expect(clippy::disallowed_methods, reason = "it is run as a user runs it")]
    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("our program can be run");
    let mut stdin = child.stdin.take().expect("it has an input");
    let input = input.to_vec();
    // Beside the reading of what it prints, so that neither waits for the other. A program that
    // reads no input may be gone before it is written.
    let writer = std::thread::spawn(move || stdin.write_all(&input).ok());
    let output = child.wait_with_output().expect("our program ends");
    writer.join().expect("the writer ends");
    Ran {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8(output.stderr).expect("the program prints text"),
    }
}

/// A run in `folder`.
fn run_in(folder: &Path, arguments: &[&str], input: &[u8]) -> Ran {
    let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
    run_with(program, folder, arguments, input, &[])
}

/// A run in a folder of its own.
pub(crate) fn run(arguments: &[&str], input: &str) -> Ran {
    let folder = tempfile::tempdir().expect("a folder can be made");
    run_in(folder.path(), arguments, input.as_bytes())
}
