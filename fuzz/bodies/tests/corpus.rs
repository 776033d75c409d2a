//! Calls every fuzz target with its corpus, as it is and bent, on a stable compiler.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use image_update_fuzz_bodies::{TARGETS, Target};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Bent variants of each file.
const VARIANTS: usize = 200;

/// Pieces that parsers trip over.
const PIECES: [&[u8]; 14] = [
    b"\n", b":", b"- ", b"\"", b"'", b"{", b"}", b"[", b"#", b"\0", b"\xff", b"\t", b"&a ", b"*a",
];

fn fuzz_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz_folder().join("corpus").join(name);
    let entries = fs::read_dir(&folder).expect("every target has a corpus");
    let paths = entries.map(|entry| entry.expect("the folder can be read").path());
    let mut files: Vec<_> = paths
        .map(|path| (path.clone(), fs::read(path).expect("the file can be read")))
        .collect();
    files.sort();
    assert!(files.len() >= 5, "{name} has only {} files", files.len());
    files
}

#[track_caller]
fn call((name, body): Target, file: &Path, bytes: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| body(bytes)));
    let shown = bytes.escape_ascii();
    assert!(
        outcome.is_ok(),
        "{name} broke on {}: b\"{shown}\"",
        file.display()
    );
}

#[test]
fn every_file_of_a_corpus_is_read() {
    for target in TARGETS {
        for (path, bytes) in corpus(target.0) {
            call(target, &path, &bytes);
        }
    }
}

#[test]
fn files_bent_at_random_are_read() {
    let mut random = StdRng::seed_from_u64(0);
    for target in TARGETS {
        let files = corpus(target.0);
        for (path, bytes) in &files {
            for _ in 0..VARIANTS {
                let other = &files[below(&mut random, files.len())].1;
                call(target, path, &bent(bytes, other, &mut random));
            }
        }
    }
}

/// One to three changes: a part is cut, repeated, replaced by a piece or by a part of another file.
fn bent(bytes: &[u8], other: &[u8], random: &mut StdRng) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..=below(random, 3) {
        let start = below(random, bytes.len() + 1);
        let end = start + below(random, bytes.len() - start + 1).min(8);
        let from = below(random, other.len() + 1);
        let to = from + below(random, other.len() - from + 1).min(16);
        let new = match below(random, 4) {
            0 => Vec::new(),
            1 => bytes[start..end].repeat(2),
            2 => PIECES[below(random, PIECES.len())].to_vec(),
            _ => other[from..to].to_vec(),
        };
        bytes.splice(start..end, new);
    }
    bytes
}

fn below(random: &mut StdRng, limit: usize) -> usize {
    random.gen_range(0..limit.max(1))
}

#[test]
fn every_target_is_a_program_of_cargo_fuzz_and_has_a_corpus() {
    let manifest = fs::read_to_string(fuzz_folder().join("Cargo.toml"));
    let manifest = manifest.expect("the manifest can be read");
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    for name in &names {
        let program = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&program), "{name}");
        let source = fuzz_folder().join(format!("fuzz_targets/{name}.rs"));
        let source = fs::read_to_string(source).expect("the program can be read");
        assert!(source.contains(&format!("target!(\"{name}\")")), "{name}");
    }
    let folders = fs::read_dir(fuzz_folder().join("corpus")).expect("there are corpora");
    let folders = folders.map(|entry| entry.expect("it can be read").file_name());
    let folders: BTreeSet<String> = folders
        .map(|name| name.into_string().expect("names are text"))
        .collect();
    assert_eq!(folders, names);
}
