//! `make demo` does what it says, and leaves nothing running.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The demonstration, which `cargo test` builds along with the tests.
fn program() -> PathBuf {
    let this = std::env::current_exe().expect("a test knows its program");
    let deps = this.parent().expect("the program is in a folder");
    let path = deps.with_file_name("examples").join("demo");
    assert!(
        path.exists(),
        "the demo is not built: run `cargo test`, or `cargo build --example demo` first"
    );
    path
}

/// The processes whose arguments or environment name something in `folder`: the servers have it
/// in their arguments, the operator has it in `KUBECONFIG` only.
fn processes_in(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let processes = std::fs::read_dir("/proc").expect("Linux has /proc");
    let paths = processes.filter_map(|entry| Some(entry.ok()?.path()));
    let read = |path: PathBuf| {
        let bytes = std::fs::read(path).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    paths
        .map(|path| (read(path.join("cmdline")), read(path.join("environ"))))
        .filter(|(arguments, environ)| arguments.contains(&folder) || environ.contains(&folder))
        .map(|(arguments, _)| arguments)
        .collect()
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the demo is a program of its own, and is run as a user runs it"
)]
fn the_demo_shows_a_commit_and_leaves_nothing_running() {
    let operator = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
    let scratch = tempfile::tempdir().expect("there is room for a folder");
    let output = Command::new(program())
        .arg("--operator")
        .arg(operator)
        .env("TMPDIR", scratch.path())
        .output()
        .expect("the demo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for expected in [
        "clusterrolebinding/image-update-operator\n",
        "system:serviceaccount:image-update-system:image-update-operator\nrun --log-level=info ",
        "-  newTag: 1.0.0  # kept up to date\n+  newTag: 1.1.0  # kept up to date",
        "READY   STATUS",
        "up to date at 1.1.0",
        "from the pushed tag to the commit",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
    let left = std::fs::read_dir(scratch.path()).expect("the folder is there");
    assert_eq!(left.count(), 0, "files are left");
    assert_eq!(processes_in(scratch.path()), Vec::<String>::new());
}
