//! The layout holds: layers, sizes, headers, what is documented, links. Each failure says what to
//! do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use image_update_operator::api::v1alpha1::Reason;

/// Lines that a file may have before its tests.
const MOST_LINES: usize = 600;

/// What each layer of the operator may use of the others; see `docs/architecture.md`.
const LAYERS: [(&str, &[&str]); 21] = [
    ("api", &[]),
    ("blocking", &[]),
    ("config", &[]),
    ("hosts", &[]),
    ("tls", &[]),
    ("leader", &["request_error"]),
    ("metrics", &[]),
    ("program", &[]),
    ("request_error", &[]),
    ("server", &["metrics"]),
    ("telemetry", &["config"]),
    ("notify", &["hosts", "tls"]),
    ("webhook", &["metrics", "server"]),
    ("registry", &["hosts", "metrics", "program", "tls"]),
    ("git", &["hosts", "metrics", "program", "tls"]),
    ("write_back", &["blocking", "git", "metrics"]),
    ("argocd", &["request_error"]),
    ("generate", &["api", "cli", "metrics"]),
    (
        "controller",
        &[
            "api",
            "argocd",
            "blocking",
            "config",
            "git",
            "hosts",
            "leader",
            "metrics",
            "notify",
            "program",
            "registry",
            "request_error",
            "server",
            "telemetry",
            "webhook",
            "write_back",
        ],
    ),
    (
        "cli",
        &[
            "api",
            "argocd",
            "config",
            "controller",
            "generate",
            "git",
            "metrics",
            "registry",
            "telemetry",
            "tls",
            "write_back",
        ],
    ),
    ("main", &["cli"]),
];

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `folder` whose name ends in `extension`, with their text.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the project can be read") {
            let path = entry.expect("the project can be read").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if name != "target" && !name.starts_with('.') {
                    folders.push(path);
                }
            } else if name.ends_with(extension) {
                let text = std::fs::read_to_string(&path).expect("sources are text");
                found.push((path, text));
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "nothing in {folder}");
    found
}

fn sources() -> Vec<(PathBuf, String)> {
    ["src", "crates", "tests", "examples", "benches"]
        .iter()
        .flat_map(|folder| files(folder, ".rs"))
        .collect()
}

pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

#[track_caller]
fn none(problems: &[String], advice: &str) {
    assert!(problems.is_empty(), "{advice}:\n{}", problems.join("\n"));
}

#[test]
fn layers_use_only_what_the_picture_allows() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.into_iter().collect();
    let mut problems = Vec::new();
    for (path, text) in files("src", ".rs") {
        let file = shown(&path);
        let layer = file.trim_start_matches("src/").split(['/', '.']).next();
        let layer = layer.unwrap_or_default();
        if layer == "lib" {
            continue;
        }
        let Some(allowed) = allowed.get(layer) else {
            problems.push(format!("{file}: the layer {layer} is not in the picture"));
            continue;
        };
        if text.contains(concat!("super::", "super::")) {
            problems.push(format!("{file}: write crate:: instead of climbing up"));
        }
        for used in used_layers(&text) {
            if used != layer && !allowed.contains(&used) {
                problems.push(format!("{file}: {layer} must not use {used}"));
            }
        }
    }
    none(
        &problems,
        "move the code, or change the picture in docs/architecture.md",
    );
}

/// What follows each `crate::`: one name, or the names of a group in braces.
fn used_layers(text: &str) -> Vec<&str> {
    let mut used = Vec::new();
    for part in text.split("crate::").skip(1) {
        let Some(group) = part.strip_prefix('{') else {
            used.extend(first_word(part));
            continue;
        };
        let mut depth = 0_u32;
        let mut is_start = true;
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => is_start = true,
                _ if is_start && !character.is_whitespace() => {
                    used.extend(first_word(&group[at..]));
                    is_start = false;
                }
                _ => {}
            }
        }
    }
    used
}

fn first_word(text: &str) -> Option<&str> {
    text.split(|it: char| !it.is_alphanumeric() && it != '_')
        .next()
        .filter(|word| !word.is_empty())
}

#[test]
fn every_form_of_a_use_is_read() {
    // In two parts, so that the layers of this text are not those of this file.
    let text = [
        concat!("use cra", "te::git::Error;"),
        concat!("use cra", "te::{api::{Reason, v1}, hosts, tls::{self}};"),
        concat!("let it = cra", "te::registry::Client::new();"),
    ];
    assert_eq!(
        used_layers(&text.join("\n")),
        ["git", "api", "hosts", "tls", "registry"]
    );
}

#[test]
fn the_core_has_no_io() {
    let manifest = std::fs::read_to_string(root().join("crates/core/Cargo.toml"));
    let manifest = manifest.expect("the core has a manifest");
    let io = [
        "tokio", "reqwest", "kube", "gix ", "gix.", "hyper", "rustls",
    ];
    let problems: Vec<String> = io
        .iter()
        .filter(|name| manifest.contains(**name))
        .map(ToString::to_string)
        .collect();
    none(
        &problems,
        "the core decides and does no IO; it must not depend on",
    );
    let mut problems = Vec::new();
    for (path, text) in files("crates/core/src", ".rs") {
        for word in [
            "std::fs",
            // Addresses are values; only sockets and lookups are IO.
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "ToSocketAddrs",
            "std::env",
            "std::process",
            "std::thread",
            "SystemTime::now",
        ] {
            if text.contains(word) && !shown(&path).ends_with("golden.rs") {
                problems.push(format!("{}: {word}", shown(&path)));
            }
        }
    }
    none(&problems, "the core decides and does no IO");
}

#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let code = text.split("\n#[cfg(test)]\nmod tests {").next();
        let lines = code.unwrap_or_default().lines().count();
        if lines > MOST_LINES {
            problems.push(format!(
                "{}: {lines} lines, at most {MOST_LINES}",
                shown(&path)
            ));
        }
        if !text.starts_with("//! ") {
            problems.push(format!(
                "{}: open it with //! and what it is for",
                shown(&path)
            ));
        }
    }
    none(&problems, "see docs/style.md");
}

#[test]
fn nothing_is_ignored_or_left_undone() {
    // Spelled in two parts, so that this file does not find itself.
    let words = [
        concat!("#[ign", "ore"),
        concat!("tod", "o!("),
        concat!("unimpl", "emented!("),
        concat!(".unw", "rap()"),
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("#[al", "low("),
    ];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if let Some(word) = words.iter().find(|word| line.contains(**word)) {
                problems.push(format!("{}:{}: {word}", shown(&path), number + 1));
            }
        }
    }
    none(
        &problems,
        "finish it, or silence a lint by #[expect] with a reason",
    );
}

#[test]
fn every_reason_is_documented() {
    let schema = schemars::schema_for!(Reason).to_value();
    let variants = schema["oneOf"]
        .as_array()
        .expect("each reason has a doc comment");
    let pages = ["imagewatch", "imageupdatepolicy"].map(|kind| {
        let path = root().join(format!("docs/spec/{kind}.md"));
        std::fs::read_to_string(path).expect("each kind has a page")
    });
    let problems: Vec<String> = variants
        .iter()
        .filter_map(|variant| variant["const"].as_str())
        .filter(|reason| {
            !pages
                .iter()
                .any(|page| page.contains(&format!("| `{reason}` |")))
        })
        .map(str::to_owned)
        .collect();
    assert!(variants.len() > 20, "{}", variants.len());
    none(
        &problems,
        "run `make generate`: these reasons are on no page",
    );
}

/// The rules of the Makefile that a user may call, with their lines.
fn targets(makefile: &str) -> BTreeMap<&str, &str> {
    let rule = |line| {
        let (name, rest): (&str, &str) = str::split_once(line, ':')?;
        let is_name = name
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || matches!(it, '-' | '_'));
        (is_name && !name.is_empty() && !rest.starts_with('=')).then_some((name, line))
    };
    makefile.lines().filter_map(rule).collect()
}

#[test]
fn help_lists_every_target() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("there is a Makefile");
    let targets = targets(&makefile);
    assert!(targets.contains_key("check"), "{targets:?}");
    let problems: Vec<String> = targets
        .iter()
        .filter(|(_, line)| !line.contains(" ## "))
        .map(|(target, _)| (*target).to_owned())
        .collect();
    none(&problems, "say after ## what the target does");
}

#[test]
fn targets_that_documents_name_are_there() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("there is a Makefile");
    let targets = targets(&makefile);
    let mut problems = Vec::new();
    for (path, text) in files("", ".md") {
        for call in ["`make ", "$ make "] {
            for (at, _) in text.match_indices(call) {
                let rest = &text[at + call.len()..];
                let target = rest.split(|it: char| !it.is_ascii_alphanumeric() && it != '-');
                let target = target.into_iter().next().unwrap_or_default();
                if !targets.contains_key(target) {
                    problems.push(format!("{}: make {target}", shown(&path)));
                }
            }
        }
    }
    none(&problems, "the Makefile has no such target");
}

/// What stands between backticks, outside of fenced blocks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    let prose = text.split("\n```").step_by(2);
    prose.flat_map(|part| part.split('`').skip(1).step_by(2))
}

/// `a/{b,c}.rs` is `a/b.rs` and `a/c.rs`.
fn expand(path: &str) -> Vec<String> {
    let group = path.split_once('{').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once('}')?;
        Some((before, inside, after))
    });
    match group {
        Some((before, inside, after)) => inside
            .split(',')
            .map(|name| format!("{before}{name}{after}"))
            .collect(),
        None => vec![path.to_owned()],
    }
}

#[test]
fn paths_that_documents_name_are_there() {
    let folders = [
        "src/",
        "crates/",
        "tests/",
        "docs/",
        "config/",
        "charts/",
        "benches/",
        "examples/",
    ];
    let mut problems = Vec::new();
    let mut seen = 0;
    for (path, text) in files("", ".md") {
        let named = code_spans(&text)
            .filter(|span| folders.iter().any(|folder| span.starts_with(folder)))
            .filter(|span| !span.contains(char::is_whitespace));
        for name in named.flat_map(expand) {
            seen += 1;
            if !root().join(&name).exists() {
                problems.push(format!("{}: {name}", shown(&path)));
            }
        }
    }
    assert!(seen > 40, "only {seen} paths were found");
    none(&problems, "these paths are not there");
}

#[test]
fn tests_that_documents_name_are_there() {
    let mut problems = Vec::new();
    for (page, section, least) in [
        ("docs/architecture.md", "\n## Invariants\n", 20),
        (
            "docs/security.md",
            "\n## What each can do, and can not\n",
            25,
        ),
    ] {
        let text = std::fs::read_to_string(root().join(page)).expect("the page is there");
        let (_, section) = text.split_once(section).expect("the page has the section");
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows = section.lines().filter(|line| line.starts_with("| "));
        let rows: Vec<&str> = rows
            .filter(|row| !row.contains(" | Where it is "))
            .collect();
        assert!(rows.len() >= least, "{page} has {} rows", rows.len());
        problems.extend(rows.into_iter().flat_map(missing_tests));
    }
    none(&problems, "the file before its name has no such test");
}

/// What a row names as `file`: `test`, `test` and is not there.
fn missing_tests(row: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let mut file = None;
    for span in code_spans(row.rsplit(" | ").next().unwrap_or_default()) {
        if span.contains('/') {
            file = std::fs::read_to_string(root().join(span)).ok();
        } else if !file
            .as_ref()
            .is_some_and(|text| text.contains(&format!("fn {span}(")))
        {
            problems.push(format!("{span}, of: {row}"));
        }
    }
    if file.is_none() {
        problems.push(format!("no file of a test: {row}"));
    }
    problems
}

#[test]
fn connections_are_opened_where_the_page_says() {
    let page = std::fs::read_to_string(root().join("docs/security.md"));
    let page = page.expect("there is a page about security");
    let (_, section) = page
        .split_once("\n## Outgoing connections\n")
        .expect("the page has the section");
    let rows = section.split("\n## ").next().unwrap_or_default().lines();
    let rows = rows.filter(|line| line.starts_with("| "));
    let named: BTreeSet<&str> = rows
        .flat_map(|row| code_spans(row.rsplit(" | ").next().unwrap_or_default()))
        .collect();
    let sources = files("src", ".rs");
    let found: BTreeSet<String> = sources
        .iter()
        .filter(|(path, _)| !shown(path).ends_with("tests.rs"))
        .filter(|(_, text)| {
            let code = text.split("\n#[cfg(test)]\n").next().unwrap_or_default();
            OPENS.iter().any(|word| code.contains(word))
        })
        .map(|(path, _)| shown(path))
        .collect();
    assert_eq!(
        found.iter().map(String::as_str).collect::<BTreeSet<_>>(),
        named
    );
}

/// What opens a connection, looks up a name, or starts a program.
const OPENS: [&str; 12] = [
    "Client::builder()",
    "ClientBuilder::try_from(",
    "reqwest::get(",
    "blocking::Client",
    "TcpStream::connect",
    "TcpSocket::",
    "UdpSocket::",
    "UnixStream::",
    "lookup_host(",
    "to_socket_addrs(",
    "SpanExporter::builder()",
    "Command::new(",
];

#[test]
fn programs_are_run_in_one_place() {
    let mut running = Vec::new();
    for (path, text) in files("src", ".rs") {
        if text.contains("Command::new(") {
            running.push(shown(&path));
        }
    }
    // For credentials of a registry, if the platform team allows it, and for those of a person.
    assert_eq!(running, ["src/program.rs"]);
}

#[test]
fn there_is_one_tls_stack() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("there is a lock file");
    let names: Vec<&str> = lock
        .lines()
        .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
        .collect();
    assert!(names.contains(&"rustls") && names.contains(&"ring"));
    let others = ["aws-lc-rs", "aws-lc-sys", "openssl-sys", "native-tls"];
    let problems: Vec<String> = others
        .iter()
        .filter(|other| names.contains(other))
        .map(ToString::to_string)
        .collect();
    none(&problems, "see docs/adr/0006-one-tls-stack.md; turn off");
}

#[test]
fn no_text_has_characters_that_do_not_show() {
    let mut problems = Vec::new();
    for extension in [".rs", ".md", ".toml", ".yaml", ".sh"] {
        for (path, text) in files("", extension) {
            for (number, line) in text.split('\n').enumerate() {
                if let Some(found) = line.chars().find(|it| is_hidden(*it)) {
                    let place = format!("{}:{}", shown(&path), number + 1);
                    problems.push(format!("{place}: {}", found.escape_unicode()));
                }
            }
        }
    }
    none(&problems, "write these characters as escapes");
}

/// Control characters, spaces without width, and marks that turn the direction of text.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{a0}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

#[test]
fn links_between_documents_lead_somewhere() {
    let mut problems = Vec::new();
    for (path, text) in files("", ".md") {
        if shown(&path).starts_with("src/generate") {
            continue;
        }
        for part in text.split("](").skip(1) {
            let link = part.split(')').next().unwrap_or_default();
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || file.contains("://") || file.contains(' ') {
                continue;
            }
            let folder = path.parent().expect("a file is in a folder");
            if !folder.join(file).exists() {
                problems.push(format!("{}: {link}", shown(&path)));
            }
        }
    }
    none(&problems, "these links lead nowhere");
}
