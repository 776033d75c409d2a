//! What each fuzz target does with the bytes it is given: reads them as a stranger's, and checks
//! what must hold of whatever comes out.
//!
//! `cargo fuzz run <name>` calls one with what it makes up; `cargo test` calls all of them with the
//! files of `fuzz/corpus`, and with those bent at random, on a stable compiler.

mod annotations;
mod edits;
mod git;
mod names;
mod selection;
mod webhooks;
mod wire;

/// A target: its name, which is that of its folder in `fuzz/corpus`, and what it does.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 24] = [
    ("references", names::references),
    ("repository_paths", names::repository_paths),
    ("remote_urls", names::remote_urls),
    ("argocd_repositories", names::argocd_repositories),
    ("constraints", selection::constraints),
    ("patterns", selection::patterns),
    ("extract", selection::extract),
    ("templates", selection::templates),
    ("challenges", wire::challenges),
    ("links", wire::links),
    ("docker_config", wire::docker_config),
    ("registries_conf", wire::registries_conf),
    ("known_hosts", wire::known_hosts),
    ("manifests", wire::manifests),
    ("tag_pages", wire::tag_pages),
    ("push_reports", wire::push_reports),
    ("pkt_lines", git::pkt_lines),
    ("packs", git::packs),
    ("deltas", git::deltas),
    ("branch_names", git::branch_names),
    ("annotations", annotations::annotations),
    ("webhooks", webhooks::webhooks),
    ("yaml_values", edits::values),
    ("yaml_images", edits::images),
];

/// The text that bytes are; nothing for what is none.
fn text(bytes: &[u8]) -> Option<&str> {
    str::from_utf8(bytes).ok()
}

/// The first line, and the rest: two inputs of one file.
fn two(bytes: &[u8]) -> Option<(&str, &str)> {
    let text = text(bytes)?;
    Some(text.split_once('\n').unwrap_or((text, "")))
}

/// What is before a separator and what is behind: two inputs of one file that need not be text.
fn two_parts<'a>(bytes: &'a [u8], separator: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = bytes
        .windows(separator.len())
        .position(|window| window == separator);
    match at {
        Some(at) => (&bytes[..at], &bytes[at + separator.len()..]),
        None => (bytes, &[]),
    }
}
