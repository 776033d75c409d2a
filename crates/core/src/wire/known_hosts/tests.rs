//! One row, one fact about which key a host must show. The keys were made for these tests.

use proptest::prelude::*;

use super::*;

const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGgWjYwOlNiX/j3rOfdwc7ii9WzTVJVQynuw96Yt5B8F";
const OTHER: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExNbFTEOTagXh9EFPZ6QqqC6RT7ECyCaYUDvt9Fhp63";
const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBAD3Dt\
                     oMcBrCcXqdDJISb4VRF9+nlhrBTIyHFjR+49TnCwdFF9bcXR3HdF4jYa4L3t/PRbFugPuD5t6Y45vin6c=";

/// What `ssh-keygen -H` makes of `git.example` and of `[git.example]:2222`.
const HASHED: &str = "|1|BpwGE9ZiXmtJuzQv1lglWgNFTXw=|zB4C/AfpBWIlrGfICyCOvAUlQOE=";
const HASHED_2222: &str = "|1|IOMzktTQzNK3nm/milcKQWR9gMc=|Nu06QdPdqvQfHb3sJsYpoQCXEYc=";

#[test]
fn host_is_known_by_its_name() {
    let file = format!("git.example,10.0.0.1 {ED25519} a comment");
    check(&file, "git.example", 22, Verdict::Trusted);
    check(&file, "GIT.example", 22, Verdict::Trusted);
    check(&file, "10.0.0.1", 22, Verdict::Trusted);
    check(&file, "evil-git.example", 22, Verdict::Unknown);
    check(&file, "git.example.evil", 22, Verdict::Unknown);
    check("", "git.example", 22, Verdict::Unknown);
    check("# git.example\n\n", "git.example", 22, Verdict::Unknown);
}

#[test]
fn port_is_part_of_the_name() {
    let file = format!("[git.example]:2222 {ED25519}");
    check(&file, "git.example", 2222, Verdict::Trusted);
    check(&file, "git.example", 22, Verdict::Unknown);
    let file = format!("git.example {ED25519}");
    check(&file, "git.example", 2222, Verdict::Unknown);
    let file = format!("::1,[::1]:2222 {ED25519}");
    check(&file, "[::1]", 22, Verdict::Trusted);
    check(&file, "[::1]", 2222, Verdict::Trusted);
}

#[test]
fn hashed_names_are_compared() {
    let file = format!("{HASHED} {ED25519}\n{HASHED_2222} {OTHER}");
    check(&file, "git.example", 22, Verdict::Trusted);
    check(&file, "Git.Example", 22, Verdict::Trusted);
    check(&file, "git.example", 2222, Verdict::Mismatch);
    check(&file, "git.example", 2223, Verdict::Unknown);
}

#[test]
fn wildcards_and_negations_select() {
    let file = format!("*.example,!bad.example,10.?.0.1 {ED25519}");
    check(&file, "git.example", 22, Verdict::Trusted);
    check(&file, "a.b.example", 22, Verdict::Trusted);
    check(&file, "bad.example", 22, Verdict::Unknown);
    check(&file, "10.2.0.1", 22, Verdict::Trusted);
    check(&file, "10.22.0.1", 22, Verdict::Unknown);
    check(&format!("!x {ED25519}"), "y", 22, Verdict::Unknown);
    check(
        &format!("*a*b*c {ED25519}"),
        "xaxbxbxc",
        22,
        Verdict::Trusted,
    );
    check(
        &format!("*a*b*c {ED25519}"),
        "xaxbxbx",
        22,
        Verdict::Unknown,
    );
}

#[test]
fn another_key_is_a_mismatch() {
    let file = format!("git.example {OTHER}\ngit.example {ECDSA}");
    check(&file, "git.example", 22, Verdict::Mismatch);
    let both = format!("{file}\ngit.example {ED25519}");
    check(&both, "git.example", 22, Verdict::Trusted);
}

#[test]
fn revoked_key_is_refused_whoever_else_trusts_it() {
    let file = format!("git.example {ED25519}\n@revoked * {ED25519}");
    check(&file, "git.example", 22, Verdict::Revoked);
    let file = format!("git.example {ED25519}\n@revoked * {OTHER}");
    check(&file, "git.example", 22, Verdict::Trusted);
    let file = format!("git.example {ED25519}\n@revoked other.example {ED25519}");
    check(&file, "git.example", 22, Verdict::Trusted);
}

#[test]
fn authority_vouches_for_nobody() {
    let file = format!("@cert-authority *.example {ED25519}");
    check(&file, "git.example", 22, Verdict::AuthorityOnly);
    check(&file, "git.test", 22, Verdict::Unknown);
    let both = format!("{file}\ngit.example {ED25519}");
    check(&both, "git.example", 22, Verdict::Trusted);
}

#[test]
fn algorithms_are_those_of_the_host() {
    let file = format!(
        "git.example {ECDSA}\n{HASHED} {ED25519}\n[git.example]:2222 {ED25519}\n\
         @cert-authority git.example {OTHER}\ngit.example {OTHER}"
    );
    let hosts = KnownHosts::parse(&file).expect("the row can be read");
    let expected = ["ecdsa-sha2-nistp256", "ssh-ed25519"];
    assert_eq!(hosts.algorithms("git.example", 22), expected);
    assert_eq!(hosts.algorithms("git.example", 2222), ["ssh-ed25519"]);
    assert!(hosts.algorithms("git.test", 22).is_empty());
}

#[test]
fn line_that_cannot_be_read_is_told() {
    use KnownHostsProblem as P;
    for (line, problem) in [
        ("git.example", P::Fields),
        ("git.example ssh-ed25519", P::Fields),
        ("@revoked", P::Fields),
        ("@trusted git.example ssh-ed25519 AAAA", P::Marker),
        ("git.example ssh-ed25519 ?", P::Key),
        ("git.example ssh-ed25519 AAAA", P::Key),
        // The protocol's version 1: bits, exponent, modulus.
        ("git.example 1024 35 1234567", P::Key),
    ] {
        check_problem(line, problem);
    }
    check_problem(&ED25519.replace("ssh-ed25519 ", "h ssh-rsa "), P::Key);
    check_problem(&format!("|1|AAAA {ED25519}"), P::HashedName);
    check_problem(&format!("|1|?|AAAA {ED25519}"), P::HashedName);
    check_problem(&format!("|2|AAAA|AAAA {ED25519}"), P::HashedName);
    check_problem(&"x".repeat(MAX_LINE_BYTES + 1), P::TooLong);
    let many = format!("h {ED25519}\n").repeat(MAX_LINES + 1);
    let error = KnownHosts::parse(&many).expect_err("too many");
    assert_eq!((error.line, error.problem), (MAX_LINES + 1, P::TooMany));
}

#[test]
fn wildcards_cost_no_more_than_their_length() {
    let pattern = "*a".repeat(4_000);
    let file = format!("{pattern} {ED25519}");
    check(&file, &"a".repeat(3_999), 22, Verdict::Unknown);
}

proptest! {
    #[test]
    fn arbitrary_text_never_panics(text: String, host: String, port: u16) {
        if let Ok(hosts) = KnownHosts::parse(&text) {
            prop_assert!(hosts.check(&host, port, b"key") != Verdict::Trusted);
        }
    }

    #[test]
    fn pattern_without_wildcards_matches_itself_only(pattern in "[a-c.]{1,6}", text in "[a-c.]{1,6}") {
        prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), pattern == text);
    }

    /// Against the obvious way, which takes too long for what strangers write.
    #[test]
    fn wildcards_match_as_if_all_ways_were_tried(pattern in "[ab*?]{0,7}", text in "[ab]{0,7}") {
        let expected = obviously(pattern.as_bytes(), text.as_bytes());
        prop_assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), expected);
    }
}

fn obviously(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|at| obviously(rest, &text[at..])),
        Some((first, rest)) => text
            .split_first()
            .is_some_and(|(byte, text)| (*first == b'?' || first == byte) && obviously(rest, text)),
    }
}

/// What `file` says when a host shows the first key.
#[track_caller]
fn check(file: &str, host: &str, port: u16, expected: Verdict) {
    let hosts = KnownHosts::parse(file).expect("the row can be read");
    let key = ED25519.split(' ').nth(1).expect("a key");
    let key = BASE64_STANDARD.decode(key).expect("base64");
    assert_eq!(
        hosts.check(host, port, &key),
        expected,
        "{host}:{port}\n{file}"
    );
}

#[track_caller]
fn check_problem(line: &str, problem: KnownHostsProblem) {
    let error = KnownHosts::parse(&format!("# first\n{line}")).expect_err("a problem");
    assert_eq!(error, KnownHostsError { line: 2, problem }, "{line}");
}
