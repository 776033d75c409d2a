//! Programs in Go that say what the originals do; their sources stand in `tests/stack`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program that answers each line with a line.
pub(crate) struct Oracle {
    path: PathBuf,
}

impl Oracle {
    /// Builds `tests/stack/<name>`; none where there is no Go toolchain.
    #[expect(
        clippy::disallowed_methods,
        reason = "a test may start the Go toolchain and ask for CI"
    )]
    #[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
    pub(crate) fn build(name: &str) -> Option<Self> {
        if Command::new("go")
            .arg("version")
            .stdout(Stdio::null())
            .status()
            .is_err()
        {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI needs a Go toolchain in the PATH"
            );
            eprintln!("SKIPPED: no Go toolchain in the PATH to compare with");
            return None;
        }
        // Go keeps what it compiled in the user's cache; this is a link step after the first time.
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack");
        let status = Command::new("go")
            .args(["build", "-o"])
            .arg(&path)
            .arg(".")
            .current_dir(folder.join(name))
            .status()
            .expect("go was there a moment ago");
        assert!(status.success(), "go build: {status}");
        Some(Self { path })
    }

    /// The answer to each question, in order.
    #[expect(clippy::disallowed_methods, reason = "the oracle is a program")]
    pub(crate) fn ask(&self, questions: &[String]) -> Vec<String> {
        let mut child = Command::new(&self.path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the oracle was built");
        let mut input = child.stdin.take().expect("stdin is a pipe");
        let lines = questions.join("\n");
        // From a thread: both pipes fill up otherwise.
        let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
        let output = child.wait_with_output().expect("the oracle ends");
        writer
            .join()
            .expect("the writer does not panic")
            .expect("the oracle reads all");
        assert!(output.status.success(), "the oracle: {}", output.status);
        let text = String::from_utf8(output.stdout).expect("answers are UTF-8");
        text.lines().map(str::to_owned).collect()
    }
}
