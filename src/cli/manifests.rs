//! Reads objects from files and folders, as `kubectl apply -f` does.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::Value;

use super::failure::Failure;
use super::input;

/// The most that is read of a file, in bytes.
const LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// The files that a name stands for: itself, or those of the folder, by name.
fn files(name: &Path) -> Result<Vec<PathBuf>, Failure> {
    if input::is_standard_input(name) || !name.is_dir() {
        return Ok(vec![name.to_owned()]);
    }
    let unreadable = || format!("{}: the folder could not be read", name.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(name).with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let extension = path.extension().and_then(|it| it.to_str());
        if path.is_file() && matches!(extension, Some("yaml" | "yml" | "json")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The documents of a file, YAML or JSON.
fn documents(text: &str, file: &Path) -> Result<Vec<Value>, Failure> {
    serde_yaml::from_multiple(text).map_err(|error| {
        Failure::input(error).about(format!("{}: it is not YAML", input::shown(file)))
    })
}

/// Calls `each` with every object of the files, those of lists one by one.
pub(super) fn for_each(
    names: &[PathBuf],
    mut each: impl FnMut(Value, &Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for name in names {
        for file in files(name)? {
            let text = input::read_text(&file, LIMIT_BYTES)?;
            for document in documents(&text, &file)? {
                for object in objects(document) {
                    each(object, &file)?;
                }
            }
        }
    }
    Ok(())
}

/// The objects of a document: those of a list, or itself. Empty documents have none.
fn objects(mut document: Value) -> Vec<Value> {
    let is_list = document["kind"]
        .as_str()
        .is_some_and(|it| it.ends_with("List"));
    match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) if is_list => items.into_iter().flat_map(objects).collect(),
        Some(_) | None if document.is_null() => Vec::new(),
        Some(_) | None => vec![document],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let documents = documents(text, Path::new("file")).expect("the row is YAML");
        let objects: Vec<Value> = documents.into_iter().flat_map(objects).collect();
        let kinds: Vec<&str> = objects
            .iter()
            .filter_map(|it| it["kind"].as_str())
            .collect();
        assert_eq!(kinds, expected);
    }

    #[test]
    fn lists_stand_for_what_is_in_them() {
        check("kind: A\n---\n---\nkind: B\n", &["A", "B"]);
        check(
            "kind: List\nitems: [{kind: A}, {kind: BList, items: [{kind: B}]}]",
            &["A", "B"],
        );
        check(r#"{"kind": "A", "items": [1]}"#, &["A"]);
    }
}
