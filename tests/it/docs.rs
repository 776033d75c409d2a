//! The documents as a site: every page is in its menu, and every link leads to a place.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tidy::{files, root, shown};

/// The pages below an entry of the menu.
fn pages(entry: &Value, found: &mut Vec<String>) {
    match entry {
        Value::String(page) => found.push(page.clone()),
        Value::Array(entries) => entries.iter().for_each(|it| pages(it, found)),
        Value::Object(entries) => entries.values().for_each(|it| pages(it, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn the_menu_has_every_page_once() {
    let text = std::fs::read_to_string(root().join("mkdocs.yml")).expect("there is a menu");
    let site: Value = serde_yaml::from_str(&text).expect("it is YAML");
    let mut menu = Vec::new();
    pages(&site["nav"], &mut menu);
    let unique: BTreeSet<&str> = menu.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), menu.len(), "a page is there twice");
    let there = files("docs", ".md");
    let there: BTreeSet<String> = there
        .iter()
        .map(|(path, _)| shown(path).trim_start_matches("docs/").to_owned())
        .collect();
    assert_eq!(unique, there.iter().map(String::as_str).collect());
}

/// The anchors of a page's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = text.split("\n```").step_by(2).flat_map(str::lines);
    let headings = prose.filter_map(|line| {
        line.trim_start_matches('#')
            .strip_prefix(' ')
            .filter(|_| line.starts_with('#'))
    });
    headings.map(slug).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading
        .trim()
        .chars()
        .filter(|it| it.is_alphanumeric() || matches!(it, ' ' | '-' | '_'));
    kept.map(|it| if it == ' ' { '-' } else { it })
        .flat_map(char::to_lowercase)
        .collect()
}

#[test]
fn links_to_a_heading_find_it() {
    let mut problems = Vec::new();
    let mut seen = 0;
    for (path, text) in files("", ".md") {
        if shown(&path).starts_with("src/generate") {
            continue;
        }
        for part in text.split("](").skip(1) {
            let link = part.split(')').next().unwrap_or_default();
            let Some((file, anchor)) = link.split_once('#') else {
                continue;
            };
            if file.contains("://") {
                continue;
            }
            seen += 1;
            let folder = path.parent().expect("a file is in a folder");
            let page = if file.is_empty() {
                path.clone()
            } else {
                folder.join(file)
            };
            let page = std::fs::read_to_string(page).unwrap_or_default();
            if !anchors(&page).contains(anchor) {
                problems.push(format!("{}: {link}", shown(&path)));
            }
        }
    }
    assert!(seen > 10, "only {seen} links to headings");
    assert!(problems.is_empty(), "{problems:#?}");
}
