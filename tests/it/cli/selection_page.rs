//! `docs/reference/selection.md` says what the program does: its examples are the golden decisions,
//! run through `explain`, and its table has each rule that they show, in the program's words.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use image_update_core::policy::Rule;
use serde_json::Value;

use super::{Ran, run_in};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const PAGE: &str = "docs/reference/selection.md";

/// What stands before the examples on the page; all behind it is written by this test.
const EXAMPLES: &str = "\n## Examples\n";

/// Settings that a policy has and `explain` has not.
const WITHOUT_FLAG: [&str; 3] = ["allowDowngrade", "pin", "skip"];

/// A folder of `tests/golden/policy`.
struct Case {
    name: String,
    folder: PathBuf,
    settings: BTreeMap<String, Value>,
    /// What the core decides, and holds its own tests to.
    decision: String,
}

impl Case {
    fn all() -> Vec<Self> {
        let folder = Path::new(ROOT).join("tests/golden/policy");
        let entries = fs::read_dir(folder).expect("there are cases");
        let case = |entry: std::io::Result<fs::DirEntry>| {
            let folder = entry.expect("the folder can be read").path();
            let read = |name| fs::read_to_string(folder.join(name)).expect("a case has its files");
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            Self {
                name: name.into_owned(),
                settings: serde_json::from_str(&read("policy.json")).expect("settings are JSON"),
                decision: read("decision.txt"),
                folder,
            }
        };
        let mut cases: Vec<Self> = entries.map(case).collect();
        cases.sort_by(|one, other| one.name.cmp(&other.name));
        cases
    }

    /// The flags of `explain`; `None` where it has not one for each setting.
    fn flags(&self) -> Option<Vec<String>> {
        let has_all = WITHOUT_FLAG
            .iter()
            .all(|it| !self.settings.contains_key(*it));
        let text = |value: &Value| value.as_str().expect("the setting is text").to_owned();
        let mut flags = Vec::new();
        for (name, value) in self.settings.iter().filter(|_| has_all) {
            match name.as_str() {
                "extract" => {
                    flags.extend(["--extract".to_owned(), text(&value[0])]);
                    flags.extend(["--extract-to".to_owned(), text(&value[1])]);
                }
                "ignoreTags" => {
                    let globs = value.as_array().expect("ignoreTags is a list");
                    let globs: Vec<String> = globs.iter().map(text).collect();
                    flags.extend(["--ignore-tags".to_owned(), globs.join(",")]);
                }
                "allowTags" => flags.extend(["--allow-tags".to_owned(), text(value)]),
                other => flags.extend([format!("--{other}"), text(value)]),
            }
        }
        has_all.then_some(flags)
    }

    fn explain(&self, flags: &[String], more: &[&str]) -> Ran {
        let mut arguments = vec!["explain", "--tags-from", "tags.txt"];
        arguments.extend(flags.iter().map(String::as_str));
        arguments.extend(more);
        let ran = run_in(&self.folder, &arguments, b"");
        assert_eq!(ran.code, Some(0), "{}: {ran:?}", self.name);
        ran
    }

    /// The example as the page has it.
    fn example(&self) -> String {
        let title = self.name.replace('-', " ");
        let (first, rest) = title.split_at(1);
        let mut text = format!("\n### {}{rest}\n\n", first.to_uppercase());
        let Some(flags) = self.flags() else {
            let settings = serde_json::to_string_pretty(&self.settings).expect("it was JSON");
            write!(
                text,
                "A policy of\n\n```json\n{settings}\n```\n\ndecides:\n\n"
            )
            .expect("a string takes all");
            write!(text, "```text\n{}```\n", self.decision).expect("a string takes all");
            return text;
        };
        let shown: Vec<String> = flags.iter().map(|flag| quoted(flag)).collect();
        write!(
            text,
            "```console\n$ image-update-operator explain --tags-from tags.txt {}\n{}{}```\n",
            shown.join(" "),
            self.explain(&flags, &[]).stderr,
            self.explain(&flags, &[]).text()
        )
        .expect("a string takes all");
        text
    }
}

/// As a shell takes it.
fn quoted(flag: &str) -> String {
    let is_plain = |it: char| it.is_ascii_alphanumeric() || "-_.,:/".contains(it);
    if flag.chars().all(is_plain) {
        flag.to_owned()
    } else {
        format!("'{flag}'")
    }
}

#[test]
fn explain_decides_as_the_golden_files_say() {
    let mut run = 0;
    for case in Case::all() {
        let Some(flags) = case.flags() else {
            continue;
        };
        let decision = case.explain(&flags, &["-o", "json"]).json();
        let selected = decision["selected"].as_str().unwrap_or("nothing");
        let mut lines = case.decision.lines();
        assert_eq!(lines.next(), Some(format!("selected: {selected}").as_str()));
        let reason = decision["reason"].as_str().expect("the reason is text");
        let line = lines.next().expect("a decision has a reason");
        assert_eq!(
            line.split_once(": ").map(|it| it.1),
            Some(reason),
            "{}",
            case.name
        );
        let rejected = decision["rejected"].as_array().expect("a list");
        let tags = rejected.iter().filter_map(|it| it["tag"].as_str());
        let expected = lines.filter_map(|line| Some(line.split_once(": ")?.0));
        assert!(tags.eq(expected), "{}: {decision}", case.name);
        run += 1;
    }
    assert!(
        run > 6,
        "only {run} cases have flags for all their settings"
    );
}

#[test]
fn examples_are_what_the_program_prints() {
    let path = Path::new(ROOT).join(PAGE);
    let page = fs::read_to_string(&path).expect("there is a page");
    let (rules, examples) = page.split_once(EXAMPLES).expect("it ends in examples");
    let introduction = "\nWritten by `make golden` from `tests/golden/policy`; the tags are in \
                        `tags.txt` of each.\n";
    let cases = Case::all();
    let actual = cases
        .iter()
        .fold(introduction.to_owned(), |text, case| text + &case.example());
    if crate::generated::is_updating() {
        fs::write(&path, format!("{rules}{EXAMPLES}{actual}")).expect("the page can be written");
        return;
    }
    assert_eq!(examples, actual, "{PAGE} is stale; run: make golden");
}

#[test]
fn every_rule_is_in_the_table_in_the_words_of_the_program() {
    let page = fs::read_to_string(Path::new(ROOT).join(PAGE)).expect("there is a page");
    // Only images can fail these, so no list of tags shows them.
    let mut rules: BTreeSet<(String, String)> = [Rule::PlatformMissing, Rule::TooYoung]
        .iter()
        .map(|rule| (rule.name().to_owned(), rule.to_string()))
        .collect();
    for case in Case::all() {
        for (_, why) in case
            .decision
            .lines()
            .skip(2)
            .filter_map(|it| it.split_once(": "))
        {
            let of_explain = case.flags().map(|flags| case.explain(&flags, &[]));
            let row = of_explain.as_ref().and_then(|ran| {
                let mut rows = ran.text().lines();
                rows.find(|row| row.ends_with(&format!("  {why}")))
            });
            let name = row.and_then(|row| row.split_whitespace().nth(1));
            if let Some(name) = name {
                rules.insert((name.to_owned(), why.to_owned()));
            } else {
                assert!(page.contains(&format!("| {why} |")), "{why}: not in {PAGE}");
            }
        }
    }
    assert!(rules.len() > 10, "{rules:?}");
    for (name, why) in rules {
        let row = format!("| `{name}` | {why} |");
        assert!(page.contains(&row), "{PAGE} has no row {row}");
    }
}
