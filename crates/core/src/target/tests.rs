//! Properties of all edits: what they leave alone, and that no input makes them panic.

use proptest::prelude::*;
use serde_json::Value as Json;

use super::argocd_source::{self, OverrideEdit};
use super::helm_values::{self, ValueEdit};
use super::kustomization::{self, Entry, ImageEdit};
use super::manifests::{self, ManifestEdit};
use super::markers::{self, MarkerEdit};
use super::{EditError, Image};

type Edit = fn(&[u8]) -> Result<Option<Vec<u8>>, EditError>;

/// One edit of each format, and some that take other ways through it.
const EDITS: [Edit; 8] = [
    |file| helm_values::edit(file, &[value("image.tag", "1.20")]),
    |file| helm_values::edit(file, &[value("a.b.c", "x y"), value("tag", "v2")]),
    |file| kustomization::edit(file, &[image("a", Some("v2"), None)]),
    |file| kustomization::edit(file, &[image("foo", None, Some("sha256:aa"))]),
    |file| {
        let parameter = OverrideEdit::HelmParameter {
            name: "image.tag".to_owned(),
            value: "1".to_owned(),
        };
        let image = OverrideEdit::KustomizeImage(image("nginx", Some("2"), None));
        argocd_source::edit(file, &[parameter, image])
    },
    |file| {
        let variable = OverrideEdit::PluginEnvironment {
            name: "TAG".to_owned(),
            value: "v2".to_owned(),
        };
        argocd_source::edit(file, &[variable])
    },
    |file| {
        let image = Image::parse("ghcr.io/x/podinfo:6.0.1");
        markers::edit(
            file,
            &[MarkerEdit {
                policy: "flux-system:podinfo".to_owned(),
                image,
            }],
        )
    },
    |file| {
        let image = Image::parse("nginx:1.27");
        manifests::edit(
            file,
            &[ManifestEdit {
                repository: "nginx".to_owned(),
                image,
                scope: manifests::Scope::Containers,
            }],
        )
    },
];

/// What mutations put into a file: every indicator of YAML, and text that has been trouble.
const PIECES: [&str; 40] = [
    "-",
    "- ",
    ":",
    ": ",
    "?",
    "? ",
    ",",
    "[",
    "]",
    "{",
    "}",
    "#",
    " # c\n",
    "&a ",
    "*a",
    "!",
    "!!str ",
    "|",
    "|-\n",
    ">+\n ",
    "'",
    "\"",
    "%",
    "@",
    "`",
    "~",
    "<<: *a\n",
    "---\n",
    "...\n",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "  ",
    "é",
    "\u{FEFF}",
    "\u{2028}",
    "images:\n",
    "tag: v1",
];

proptest! {
    /// A damaged file is edited or refused, and an edited one needs no second edit.
    #[test]
    fn mutated_files_are_edited_once_or_refused(file in mutated_files()) {
        for edit in EDITS {
            if let Ok(Some(edited)) = edit(&file) {
                prop_assert_eq!(edit(&edited), Ok(None), "{}", String::from_utf8_lossy(&edited));
            }
        }
    }

    /// Bytes that are no text at all are refused by every reader, or read as what they are.
    #[test]
    fn any_bytes_are_edited_once_or_refused(file in prop::collection::vec(any::<u8>(), 0..64)) {
        for edit in EDITS {
            if let Ok(Some(edited)) = edit(&file) {
                prop_assert_eq!(edit(&edited), Ok(None));
            }
        }
    }

    /// Every byte before and behind a scalar is kept.
    #[test]
    fn only_the_scalar_changes(
        (before, after) in prop::sample::select(&AROUND[..]),
        quote in prop::sample::select(&["", "'", "\""][..]),
        new in "[a-z0-9.:/@+ '\"-]{0,12}",
    ) {
        let file = format!("{before}{quote}v1{quote}{after}");
        let path = "image.tag";
        let edited = helm_values::edit(file.as_bytes(), &[value(path, &new)]);
        let edited = String::from_utf8(edited.expect("editable").expect("v1 is never wanted"))
            .expect("text stays text");
        let inner = edited.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        prop_assert!(inner.is_some_and(|inner| inner.starts_with(quote)), "{}", edited);
        let key = path.parse().expect("a path");
        prop_assert_eq!(helm_values::read(edited.as_bytes(), &key), Ok(Some(new)));
    }

    /// JSON is YAML, so a JSON parser is a second opinion: the one value is new, all else equal.
    #[test]
    fn the_rest_of_a_json_document_stays_equal(
        document in json_objects(),
        pretty: bool,
        choice: prop::sample::Index,
        new in "[a-z0-9.]{1,6}",
    ) {
        let mut pointers = Vec::new();
        collect(&document, &mut String::new(), &mut pointers);
        let pointer = choice.get(&pointers);
        let text = if pretty {
            serde_json::to_string_pretty(&document)
        } else {
            serde_json::to_string(&document)
        };
        let text = text.expect("JSON can be written");
        let edit = value(&path_of(pointer), &new);
        let edited = helm_values::edit(text.as_bytes(), &[edit]).expect("the path leads to a scalar");
        let edited = edited.unwrap_or_else(|| text.clone().into_bytes());
        let mut want = document.clone();
        set(&mut want, pointer, Json::String(new));
        let got: Json = serde_json::from_slice(&edited)
            .map_err(|error| TestCaseError::fail(format!("{error}: {}", String::from_utf8_lossy(&edited))))?;
        prop_assert_eq!(got, want);
    }

    /// The entry says what was asked for, and the other entries what they said before.
    #[test]
    fn only_the_entry_of_the_image_changes(
        entries in prop::collection::btree_map("[a-c]", (prop::option::of("[a-z0-9.]{1,3}"), prop::option::of("[a-f0-9]{2}")), 0..4),
        name in "[a-d]",
        tag in "[a-z0-9.]{1,4}",
        flow: bool,
    ) {
        let file = kustomization_of(&entries, flow);
        let edited = kustomization::edit(file.as_bytes(), &[image(&name, Some(&tag), None)]).expect("editable");
        let edited = edited.unwrap_or_else(|| file.clone().into_bytes());
        let want = Entry { name: name.clone(), new_name: None, new_tag: Some(tag), digest: None };
        prop_assert_eq!(kustomization::read(&edited, &name), Ok(Some(want)));
        for other in entries.keys().filter(|other| **other != name) {
            prop_assert_eq!(
                kustomization::read(&edited, other),
                kustomization::read(file.as_bytes(), other)
            );
        }
    }
}

/// What stands before and behind the value of `image.tag`.
const AROUND: [(&str, &str); 11] = [
    ("image:\n  tag: ", "\n"),
    ("image:\n  tag: ", "  # c, with }"),
    ("# c\nimage:\n  repository: x # c\n  tag:    ", ""),
    (
        "x: |\n  image: tag\nimage:\n  tag:\n    ",
        " \t\n  y: z\n...\n---\nimage: {tag: v1}\n",
    ),
    ("\u{FEFF}image:\r\n  tag: &a ", "\r\nx: [*a, *a]\r\n"),
    ("image.tag: !!str ", "\n# end\n"),
    ("image: {tag: ", "}\n"),
    ("{\n\t\"image\": {\n\t\t'tag': ", ", # c\n\t}\n}"),
    ("---\nimage: {a: [b, {c: d}], tag: ", " }\n"),
    ("a: &a {tag: ", "}\nimage: *a\n"),
    ("? image\n: ? tag\n  : ", "\n  ? x\n"),
];

fn value(path: &str, value: &str) -> ValueEdit {
    ValueEdit {
        path: path.parse().expect("the test's path is one"),
        value: value.to_owned(),
    }
}

fn image(name: &str, tag: Option<&str>, digest: Option<&str>) -> ImageEdit {
    ImageEdit {
        name: name.to_owned(),
        new_name: None,
        new_tag: tag.map(str::to_owned),
        digest: digest.map(str::to_owned),
    }
}

/// The case files, damaged in a few places.
fn mutated_files() -> impl Strategy<Value = Vec<u8>> {
    let cases: Vec<Json> =
        serde_json::from_str(include_str!("../../../../tests/golden/yaml/cases.json"))
            .expect("the case file is a JSON list");
    let files = cases
        .iter()
        .filter_map(|case| Some(case.get("file")?.as_str()?.to_owned()));
    let files: Vec<String> = files.collect();
    let mutation = (
        any::<prop::sample::Index>(),
        0..4_usize,
        prop::sample::select(&PIECES[..]),
    );
    let mutations = prop::collection::vec(mutation, 0..4);
    (prop::sample::select(files), mutations).prop_map(|(file, mutations)| {
        let mut characters: Vec<char> = file.chars().collect();
        for (place, removed, added) in mutations {
            let start = place.index(characters.len() + 1);
            let end = (start + removed).min(characters.len());
            characters.splice(start..end, added.chars());
        }
        characters.into_iter().collect::<String>().into_bytes()
    })
}

fn json_objects() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i32>().prop_map(Json::from),
        // No YAML without an escape has the characters that JSON allows beyond these.
        "[ -~é✓]{0,8}".prop_map(Json::from),
    ];
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[a-e]", inner, 0..4)
                .prop_map(|entries| Json::Object(entries.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-e]", tree, 1..4)
        .prop_map(|entries| Json::Object(entries.into_iter().collect()))
}

/// JSON pointers to all scalars, and to a new key of every object.
fn collect(value: &Json, pointer: &mut String, pointers: &mut Vec<String>) {
    let length = pointer.len();
    match value {
        Json::Object(entries) => {
            pointers.push(format!("{pointer}/new"));
            for (key, value) in entries {
                pointer.extend(["/", key]);
                collect(value, pointer, pointers);
                pointer.truncate(length);
            }
        }
        Json::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                pointer.extend(["/", &index.to_string()]);
                collect(value, pointer, pointers);
                pointer.truncate(length);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {
            pointers.push(pointer.clone());
        }
    }
}

/// Keys of the documents are letters, so a number is an index.
fn path_of(pointer: &str) -> String {
    let mut path = String::new();
    for part in pointer.split('/').skip(1) {
        if part.starts_with(|first: char| first.is_ascii_digit()) {
            path.extend(["[", part, "]"]);
        } else {
            path += if path.is_empty() { "" } else { "." };
            path += part;
        }
    }
    path
}

fn set(document: &mut Json, pointer: &str, new: Json) {
    if let Some(place) = document.pointer_mut(pointer) {
        *place = new;
    } else if let Some(object) = pointer
        .strip_suffix("/new")
        .and_then(|parent| document.pointer_mut(parent))
        .and_then(Json::as_object_mut)
    {
        object.insert("new".to_owned(), new);
    }
}

type Entries = std::collections::BTreeMap<String, (Option<String>, Option<String>)>;

fn kustomization_of(entries: &Entries, flow: bool) -> String {
    let items = entries.iter().map(|(name, (tag, digest))| {
        let tag = tag.iter().map(|tag| format!("newTag: '{tag}'"));
        let digest = digest
            .iter()
            .map(|digest| format!("digest: 'sha256:{digest}'"));
        let fields: Vec<_> = [format!("name: {name}")]
            .into_iter()
            .chain(tag)
            .chain(digest)
            .collect();
        if flow {
            format!("{{{}}}", fields.join(", "))
        } else {
            format!("- {} # c\n", fields.join(" # c\n  "))
        }
    });
    let items: Vec<_> = items.collect();
    let list = if flow || items.is_empty() {
        format!(" [{}]\n", items.join(","))
    } else {
        format!("\n{}", items.concat())
    };
    format!("resources:\n  - x.yaml # c\nimages:{list}")
}
