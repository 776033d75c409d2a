//! The layout holds: layers, sizes, headers, what is documented, links. Each failure says what to
//! do about it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use image_update_operator::api::v1alpha1::Reason;

/// Lines that a file may have before its tests.
const MOST_LINES: usize = 600;

/// What each layer of the operator may use of the others; see `docs/architecture.md`.
const LAYERS: [(&str, &[&str]); 12] = [
    ("api", &[]),
    ("config", &[]),
    ("hosts", &[]),
    ("tls", &[]),
    ("telemetry", &["config"]),
    ("registry", &["hosts", "tls"]),
    ("git", &["hosts", "tls"]),
    ("write_back", &["git"]),
    ("generate", &["api", "cli"]),
    (
        "controller",
        &["api", "config", "git", "hosts", "registry", "write_back"],
    ),
    (
        "cli",
        &["config", "controller", "generate", "telemetry", "tls"],
    ),
    ("main", &["cli"]),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files below `folder` whose name ends in `extension`, with their text.
fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
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

fn shown(path: &Path) -> String {
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

#[test]
fn help_lists_every_target() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).expect("there is a Makefile");
    let phony = makefile
        .lines()
        .filter_map(|line| line.strip_prefix(".PHONY: "));
    let problems: Vec<String> = phony
        .filter(|target| {
            let rule = format!("{target}:");
            !makefile
                .lines()
                .any(|line| line.starts_with(&rule) && line.contains(" ## "))
        })
        .map(str::to_owned)
        .collect();
    none(&problems, "say after ## what the target does");
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
