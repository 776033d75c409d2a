//! Attributes: which files git hands to a program on their way into a work tree and out of it.
//!
//! Such a file (encrypted, for one) is not in the repository as people see it, so it is not edited.
//! Only the attribute `filter` is read, by the rules of gitattributes(5); line ends, encodings and
//! whatever else attributes say of work trees has no meaning without one.

use std::collections::HashMap;

use gix::{
    glob::{Pattern, pattern::Case, wildmatch},
    objs::bstr::BStr,
};

/// The name of the files that say so.
pub(crate) const FILE_NAME: &[u8] = b".gitattributes";

/// How the definition of a macro starts: one name for several attributes.
const MACRO: &[u8] = b"[attr]";

/// Whether a file is handed to a program.
///
/// `attributes` are the files on the way to it, from the top of the repository down: the number of
/// bytes of their folder in `path`, with its slash, and their content.
pub(crate) fn is_filtered<'a>(
    path: &str,
    attributes: impl IntoIterator<Item = (usize, &'a [u8])>,
) -> bool {
    let mut macros = HashMap::new();
    let mut has_filter = false;
    for (folder, content) in attributes {
        let Some(below) = path.get(folder..) else {
            continue;
        };
        let content = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
        for line in content.split(|byte| *byte == b'\n') {
            let (pattern, assignments) = parse(line);
            let Some(sets_filter) = filter_of(assignments, &macros) else {
                continue;
            };
            if let Some(name) = pattern.strip_prefix(MACRO) {
                macros.insert(name.to_vec(), sets_filter);
            } else if matches(&pattern, below) {
                has_filter = sets_filter;
            }
        }
    }
    has_filter
}

/// The pattern of a line, without its quotes, and what is behind.
fn parse(line: &[u8]) -> (Vec<u8>, &[u8]) {
    let line = line.trim_ascii();
    let Some(quoted) = line.strip_prefix(b"\"") else {
        let end = line.iter().position(u8::is_ascii_whitespace);
        let (pattern, rest) = line.split_at(end.unwrap_or(line.len()));
        return (pattern.to_vec(), rest);
    };
    let mut pattern = Vec::new();
    let mut bytes = quoted.iter().copied().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return (pattern, &quoted[at + 1..]),
            b'\\' => pattern.extend(bytes.next().map(|(_, escaped)| escaped)),
            byte => pattern.push(byte),
        }
    }
    (pattern, &[])
}

/// Whether assignments set the filter or take it back; nothing if they don't speak of it. The last
/// one counts, and one without a value names no program.
fn filter_of(assignments: &[u8], macros: &HashMap<Vec<u8>, bool>) -> Option<bool> {
    let mut sets_filter = None;
    for word in assignments.split(u8::is_ascii_whitespace) {
        match word {
            b"filter" | b"-filter" | b"!filter" => sets_filter = Some(false),
            _ if word.starts_with(b"filter=") => sets_filter = Some(word.len() > b"filter=".len()),
            _ => sets_filter = macros.get(word).copied().or(sets_filter),
        }
    }
    sets_filter
}

/// Comments and patterns that take something back match nothing.
fn matches(pattern: &[u8], path: &str) -> bool {
    if pattern.starts_with(b"!") {
        return false;
    }
    let Some(pattern) = Pattern::from_bytes_without_negation(pattern) else {
        return false;
    };
    let name = path.rfind('/').map(|slash| slash + 1);
    pattern.matches_repo_relative_path(
        BStr::new(path.as_bytes()),
        name,
        Some(false),
        Case::Sensitive,
        wildmatch::Mode::NO_MATCH_SLASH_LITERAL,
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn last_line_that_matches_counts() {
        check("apps/a.yaml", &[("", "*.yaml filter=crypt")], true);
        check("apps/a.yaml", &[("", "*.yml filter=crypt")], false);
        check(
            "apps/a.yaml",
            &[("", "*.yaml filter=crypt\na.yaml -filter")],
            false,
        );
        check(
            "apps/a.yaml",
            &[("", "*.yaml filter=crypt\n*.yaml !filter")],
            false,
        );
        check(
            "apps/a.yaml",
            &[("", "*.yaml filter=crypt\n*.yaml eol=lf")],
            true,
        );
        check(
            "apps/a.yaml",
            &[("", "*.yaml text filter=crypt diff=x")],
            true,
        );
        check(
            "apps/a.yaml",
            &[("", "*.yaml -filter filter=crypt\r")],
            true,
        );
    }

    #[test]
    fn folders_say_more_than_what_is_above_them() {
        let above = ("", "*.yaml filter=crypt");
        check("apps/a.yaml", &[above, ("apps/", "*.yaml -filter")], false);
        check(
            "apps/a.yaml",
            &[("", "a.yaml -filter"), ("apps/", "a.yaml filter=x")],
            true,
        );
        check("apps/a.yaml", &[("apps/", "/a.yaml filter=x")], true);
        check("apps/b/a.yaml", &[("apps/", "/a.yaml filter=x")], false);
    }

    #[test]
    fn patterns_are_those_of_git() {
        check("apps/b/a.yaml", &[("", "apps/** filter=x")], true);
        check("apps/b/a.yaml", &[("", "apps/* filter=x")], false);
        check("apps/b/a.yaml", &[("", "apps/ filter=x")], false);
        check("a b.yaml", &[("", "\"a b.yaml\" filter=x")], true);
        check("a\"b.yaml", &[("", "\"a\\\"b.yaml\" filter=x")], true);
        check("a.yaml", &[("", "# *.yaml filter=x")], false);
        check("a.yaml", &[("", "!a.yaml filter=x")], false);
        check("a.yaml", &[("", "\u{feff}a.yaml filter=x")], true);
    }

    #[test]
    fn filter_needs_the_name_of_a_program() {
        check("a.yaml", &[("", "*.yaml filter")], false);
        check("a.yaml", &[("", "*.yaml filter=")], false);
        check("a.yaml", &[("", "*.yaml filters=x")], false);
    }

    #[test]
    fn macros_stand_for_what_they_set() {
        let secret = "[attr]secret filter=crypt diff=crypt\n";
        check("a.yaml", &[("", &format!("{secret}*.yaml secret"))], true);
        check("a.yaml", &[("", &format!("{secret}*.yaml -secret"))], false);
        check("a.yaml", &[("", &format!("{secret}*.yaml binary"))], false);
    }

    proptest! {
        #[test]
        fn arbitrary_attributes_never_panic(content: Vec<u8>, path in "[ -~]{1,20}") {
            is_filtered(&path, [(0, content.as_slice()), (7, content.as_slice())]);
        }
    }

    #[track_caller]
    fn check(path: &str, attributes: &[(&str, &str)], expected: bool) {
        let files = attributes
            .iter()
            .map(|(folder, content)| (folder.len(), content.as_bytes()));
        assert_eq!(is_filtered(path, files), expected);
    }
}
