//! Whole runs, a folder each: `tests/golden/cli/<case>/` has `command.json` (the arguments),
//! optionally `stdin`, any files that the command works on, and `expected.txt`: exit code, output,
//! and each file that is another one after the run. Adding a case needs no Rust: `make golden`
//! writes what is expected.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::run_in;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/cli");

/// Files that describe a case, and are not there for the command.
const OURS: [&str; 3] = ["command.json", "stdin", "expected.txt"];

#[test]
fn commands_do_what_is_written() {
    let mut cases = 0;
    for entry in fs::read_dir(CASES).expect("there are cases") {
        check(&entry.expect("the folder can be read").path());
        cases += 1;
    }
    assert!(cases > 15, "only {cases} cases");
}

#[track_caller]
fn check(case: &Path) {
    let read = |name: &str| fs::read(case.join(name)).unwrap_or_default();
    let arguments: Vec<String> =
        serde_json::from_slice(&read("command.json")).expect("command.json is a list of texts");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut before = files(case);
    before.retain(|name, _| !OURS.contains(&name.as_str()));
    let folder = tempfile::tempdir().expect("a folder can be made");
    for (name, bytes) in &before {
        fs::write(folder.path().join(name), bytes).expect("the folder can be written");
    }

    let ran = run_in(folder.path(), &arguments, &read("stdin"));
    let code = ran.code.expect("the program ends by itself");
    let mut actual = format!("exit {code}\n");
    section(&mut actual, "stdout", ran.text());
    section(&mut actual, "stderr", &ran.stderr);
    for (name, bytes) in files(folder.path()) {
        if before.get(&name) != Some(&bytes) {
            section(&mut actual, &name, &String::from_utf8_lossy(&bytes));
        }
    }

    let path = case.join("expected.txt");
    if crate::generated::is_updating() {
        fs::write(&path, &actual).expect("the case can be written");
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        actual,
        expected,
        "{}: if this is right, run: make golden",
        case.display()
    );
}

fn section(text: &mut String, title: &str, content: &str) {
    if !content.is_empty() {
        write!(text, "--- {title}\n{content}").expect("a string takes all");
    }
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the folder is there");
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("the folder can be read").path();
        let name = path.file_name().expect("a file has a name");
        let bytes = fs::read(&path).expect("a case has files only");
        (name.to_string_lossy().into_owned(), bytes)
    };
    entries.map(file).collect()
}
