//! The reference page of the predecessor's settings.

use std::fmt::Write as _;

use super::GeneratedFile;
use crate::cli::old_settings::{Becomes, FILES, FOLDER, TABLE};

const INTRODUCTION: &str = "\
# Settings of argocd-image-updater

Generated from the program; `make generate` writes it anew.

`run` understands these variables of argocd-image-updater where they mean something here: a Deployment
may keep them. The keys of its ConfigMap `argocd-image-updater-config` are understood as variables of
that name, as `envFrom` makes them. A flag, or a variable of our own, goes before. What has no effect is
said once at the start. Variables with the secrets of webhooks (`GHCR_WEBHOOK_SECRET`) are read as they are.

`plan`, `apply` and `convert` take those that become a flag of theirs, so that the policies they make of
annotations are the operator's.

| Variable | Key | Becomes |
|---|---|---|
";

const FILES_INTRODUCTION: &str = "
The Deployment of argocd-image-updater mounts that ConfigMap as a folder. Where these files are there,
`run` takes them, unless a flag or a variable says otherwise:

| File | Becomes |
|---|---|
";

/// Every setting.
pub(super) fn page() -> GeneratedFile {
    let mut text = INTRODUCTION.to_owned();
    for setting in &TABLE {
        let key = setting.key.map(|key| format!("`{key}`"));
        let becomes = match setting.becomes {
            Becomes::Flag(flag) => format!("`{flag}`"),
            Becomes::Nothing(reason) => format!("nothing: {reason}"),
        };
        let key = key.unwrap_or_default();
        // Writing to a String does not fail.
        writeln!(text, "| `{}` | {key} | {becomes} |", setting.variable).ok();
    }
    text.push_str(FILES_INTRODUCTION);
    for file in &FILES {
        writeln!(text, "| `{FOLDER}/{}` | `{}` |", file.name, file.flag).ok();
    }
    GeneratedFile {
        path: "docs/reference/old-settings.md",
        content: text,
    }
}
