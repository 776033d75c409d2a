//! What servers send, and files that other programs wrote.

use image_update_core::registries_conf::RegistriesConf;
use image_update_core::wire::known_hosts::{KnownHosts, Verdict};
use image_update_core::wire::report_status::{RemoteText, ReportStatus};
use image_update_core::wire::{challenge, docker_config, link_header, manifest, tag_page};

use super::{text, two};

pub(super) fn challenges(bytes: &[u8]) {
    if let Some(text) = text(bytes) {
        drop(challenge::parse(text));
    }
}

/// The next page is a part of the header.
pub(super) fn links(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(Some(next)) = link_header::next(text) {
        assert!(text.contains(next));
    }
}

/// A registry on the first line, a file behind it.
pub(super) fn docker_config(bytes: &[u8]) {
    let Some((registry, file)) = two(bytes) else {
        return;
    };
    drop(docker_config::find(file.as_bytes(), registry, "org/app"));
    let file = file.as_bytes();
    drop(docker_config::find_in_dockercfg(file, registry, "org/app"));
}

/// What is wrong has a place, and can be told.
pub(super) fn registries_conf(bytes: &[u8]) {
    match RegistriesConf::parse(bytes) {
        Ok(conf) => {
            if let Ok(repository) = "ghcr.io/org/app".parse() {
                _ = conf.find(&repository);
            }
        }
        Err(problems) => assert!(!problems.to_string().is_empty()),
    }
}

/// A host on the first line, a file behind it. A key that is revoked is never trusted, and one that is
/// trusted is of a type that the host is known by.
pub(super) fn known_hosts(bytes: &[u8]) {
    const KEY: &[u8] = b"\0\0\0\x0bssh-ed25519\0\0\0\x20abcdefghijklmnopqrstuvwxyz012345";
    const REVOKED: &str = "\n@revoked * ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6MDEyMzQ1\n";
    let Some((host, file)) = two(bytes) else {
        return;
    };
    let Ok(known) = KnownHosts::parse(file) else {
        return;
    };
    for port in [22, 2222] {
        if known.check(host, port, KEY) == Verdict::Trusted {
            assert!(known.algorithms(host, port).contains(&"ssh-ed25519"));
        }
    }
    if let Ok(known) = KnownHosts::parse(&format!("{file}{REVOKED}")) {
        assert_eq!(known.check("git.example", 22, KEY), Verdict::Revoked);
    }
}

pub(super) fn manifests(bytes: &[u8]) {
    manifest::read_anything(bytes);
}

pub(super) fn tag_pages(bytes: &[u8]) {
    drop(tag_page::parse(bytes));
}

/// Text of a server is shown without what acts on a terminal.
pub(super) fn push_reports(bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n');
    if let Ok(report) = ReportStatus::parse(lines) {
        _ = report.is_accepted("refs/heads/main");
        _ = report.refusal("refs/heads/main");
    }
    let shown = RemoteText::new(bytes);
    let acts = |character: char| character.is_control() && character != '\n';
    assert!(!shown.as_str().contains(acts), "{:?}", shown.as_str());
}
