//! One row = one key or entry of a docker configuration.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;

use super::{
    Auth, Error, Helpers, MAX_BYTES, find, find_in_dockercfg, helper_answer, helper_key, helpers,
    label_matches,
};

#[test]
fn reads_the_forms_of_an_entry() {
    check_entry(r#"{"auth":"dTpw"}"#, Some(basic("u", "p")));
    check_entry(r#"{"auth":" dTpw\n"}"#, Some(basic("u", "p")));
    check_entry(r#"{"username":"u","password":"p"}"#, Some(basic("u", "p")));
    check_entry(
        r#"{"auth":"dTpw","username":"old","password":"old"}"#,
        Some(basic("u", "p")),
    );
    check_entry(
        r#"{"auth":"dTpw","identitytoken":"t"}"#,
        Some(Auth::IdentityToken("t".to_owned())),
    );
    check_entry(
        r#"{"auth":"dTpw","email":"x@example.org","extra":[1]}"#,
        Some(basic("u", "p")),
    );
}

#[test]
fn an_entry_without_a_credential_is_none() {
    check_entry("{}", None);
    check_entry(r#"{"auth":""}"#, None);
    check_entry(r#"{"username":"u"}"#, None);
    check_entry(r#"{"username":"","password":"p"}"#, None);
    check_entry(r#"{"identitytoken":""}"#, None);
}

#[test]
fn decodes_auth_as_docker_does() {
    check_entry(&auth("u:p:with:colons"), Some(basic("u", "p:with:colons")));
    check_entry(&auth("u:"), Some(basic("u", "")));
    check_entry(&auth("u:p\0\0"), Some(basic("u", "p")));
    check_entry(r#"{"auth":"dTpwdw"}"#, Some(basic("u", "pw")));
}

#[test]
fn compares_keys_without_scheme_version_and_slash() {
    for key in [
        "r.example",
        "https://r.example",
        "http://r.example/",
        "https://r.example/v1/",
        "https://r.example/v2/",
        "R.Example",
        "r.example:443",
    ] {
        check_key(key, "r.example", true);
    }
    check_key("r.example:5000", "r.example:5000", true);
    check_key("r.example:5000", "r.example", false);
    check_key("r.example", "r.example:5000", false);
    check_key("other.example", "r.example", false);
    check_key("example", "r.example", false);
}

#[test]
fn knows_the_names_of_docker_hub() {
    for key in [
        "https://index.docker.io/v1/",
        "docker.io",
        "index.docker.io",
        "registry-1.docker.io",
        "https://registry-1.docker.io/v2/",
    ] {
        check_key(key, "docker.io", true);
        check_key(key, "registry-1.docker.io", true);
        check_key(key, "quay.io", false);
    }
}

#[test]
fn stars_stand_for_parts_of_one_label() {
    check_key("*.example", "r.example", true);
    check_key("*.example", "a.r.example", false);
    check_key("*.*.example", "a.r.example", true);
    check_key("eu-*.r.example", "eu-west.r.example", true);
    check_key("*", "localhost", true);
    check_key("*", "r.example", false);
    check_key("https://*.r.example/v1/", "eu.r.example", true);
}

#[test]
fn the_longest_path_wins() {
    let keys = ["r.example", "r.example/org", "r.example/org/repo"];
    check_winner(&keys, "org/repo", Some("r.example/org/repo"));
    check_winner(&keys, "org/repo/nested", Some("r.example/org/repo"));
    check_winner(&keys, "org/other", Some("r.example/org"));
    check_winner(&keys, "organic/repo", Some("r.example"));
    check_winner(&["r.example/org/"], "org/repo", Some("r.example/org/"));
    check_winner(&["r.example/org"], "other", None);
    check_winner(
        &["*.example/org", "r.example"],
        "org/repo",
        Some("*.example/org"),
    );
}

#[test]
fn a_host_without_star_wins() {
    check_winner(&["*.example", "r.example"], "org/repo", Some("r.example"));
    check_winner(&["*.example", "r*.example"], "org/repo", Some("r*.example"));
}

#[test]
fn an_entry_without_a_credential_gives_way() {
    let config =
        r#"{"auths":{"r.example/org":{},"r.example":{"auth":"dTpw"}},"credsStore":"desktop"}"#;
    assert_eq!(
        find(config.as_bytes(), "r.example", "org/repo"),
        Ok(Some(basic("u", "p")))
    );
}

#[test]
fn reads_the_older_format() {
    let config = br#"{"https://index.docker.io/v1/":{"auth":"dTpw","email":"x"}}"#;
    assert_eq!(
        find_in_dockercfg(config, "docker.io", "library/nginx"),
        Ok(Some(basic("u", "p")))
    );
}

#[test]
fn a_configuration_without_auths_has_no_credential() {
    assert_eq!(find(b"{}", "r.example", "a"), Ok(None));
}

#[test]
fn refuses_what_cannot_be_read() {
    refuse("", Error::Syntax { line: 1, column: 0 });
    refuse("{\"auths\":\n[]}", Error::Syntax { line: 2, column: 0 });
    refuse(&entry(r#"{"auth":"%%%"}"#), Error::BadAuth);
    refuse(&entry(&auth("nocolon")), Error::BadAuth);
    refuse(&entry(&auth(":p")), Error::BadAuth);
    refuse(&" ".repeat(MAX_BYTES + 1), Error::TooLarge);
}

#[test]
fn a_broken_entry_of_another_registry_does_no_harm() {
    let config = r#"{"auths":{"a.example":{"auth":"%%%"},"r.example":{"auth":"dTpw"}}}"#;
    assert_eq!(
        find(config.as_bytes(), "r.example", "a"),
        Ok(Some(basic("u", "p")))
    );
}

#[test]
fn neither_errors_nor_debug_show_a_secret() {
    let broken = r#"{"auths":{"r.example":"hunter2"}}"#;
    let error = find(broken.as_bytes(), "r.example", "a").expect_err("a string is no entry");
    assert!(
        !format!("{error} {error:?}").contains("hunter2"),
        "{error:?}"
    );
    let shown = format!(
        "{:?} {:?}",
        basic("u", "hunter2"),
        Auth::IdentityToken("hunter2".to_owned())
    );
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[track_caller]
fn check_entry(value: &str, expected: Option<Auth>) {
    assert_eq!(
        find(entry(value).as_bytes(), "r.example", "org/repo"),
        Ok(expected),
        "{value}"
    );
}

#[track_caller]
fn check_key(key: &str, registry: &str, matches: bool) {
    let config = format!(r#"{{"auths":{{"{key}":{{"auth":"dTpw"}}}}}}"#);
    let found =
        find(config.as_bytes(), registry, "org/repo").expect("the row's configuration is read");
    assert_eq!(found.is_some(), matches, "{key} for {registry}");
}

/// Every key's user name is the key itself, so that the winner names itself.
#[track_caller]
fn check_winner(keys: &[&str], path: &str, winner: Option<&str>) {
    let entries: Vec<String> = keys
        .iter()
        .map(|key| format!(r#""{key}":{{"username":"{key}","password":"p"}}"#))
        .collect();
    let config = format!(r#"{{"auths":{{{}}}}}"#, entries.join(","));
    let found =
        find(config.as_bytes(), "r.example", path).expect("the row's configuration is read");
    assert_eq!(
        found,
        winner.map(|key| basic(key, "p")),
        "{keys:?} for {path}"
    );
}

#[track_caller]
fn refuse(config: &str, expected: Error) {
    assert_eq!(
        find(config.as_bytes(), "r.example", "org/repo"),
        Err(expected)
    );
}

fn entry(value: &str) -> String {
    format!(r#"{{"auths":{{"r.example":{value}}}}}"#)
}

fn auth(pair: &str) -> String {
    format!(r#"{{"auth":"{}"}}"#, BASE64_STANDARD.encode(pair))
}

fn basic(username: &str, password: &str) -> Auth {
    Auth::Basic {
        username: username.to_owned(),
        password: password.to_owned(),
    }
}

#[test]
fn the_registry_s_own_helper_is_told_from_that_of_all_others() {
    let check = |config: &str, registry: &str, own: Option<&str>, store: Option<&str>| {
        let expected = Helpers {
            own: own.map(str::to_owned),
            store: store.map(str::to_owned),
        };
        assert_eq!(
            helpers(config.as_bytes(), registry),
            Ok(expected),
            "{config}"
        );
    };
    let both = r#"{"credHelpers": {"r.example": "ecr-login"}, "credsStore": "pass"}"#;
    check(both, "r.example", Some("ecr-login"), Some("pass"));
    check(both, "other.example", None, Some("pass"));
    check(
        r#"{"credHelpers": {"https://index.docker.io/v1/": "hub"}}"#,
        "docker.io",
        Some("hub"),
        None,
    );
    check("{}", "r.example", None, None);
    check(r#"{"credsStore": "../../bin/sh"}"#, "r.example", None, None);
    check(r#"{"credsStore": ""}"#, "r.example", None, None);
}

#[test]
fn a_helper_gives_a_password_or_a_token() {
    let check = |printed: &str, expected: Result<Option<Auth>, Error>| {
        assert_eq!(helper_answer(printed.as_bytes()), expected, "{printed}");
    };
    check(
        r#"{"ServerURL": "r.example", "Username": "u", "Secret": "p"}"#,
        Ok(Some(basic("u", "p"))),
    );
    check(
        r#"{"Username": "<token>", "Secret": "t"}"#,
        Ok(Some(Auth::IdentityToken("t".to_owned()))),
    );
    check(r#"{"Username": "", "Secret": ""}"#, Ok(None));
    check("no", Err(Error::Syntax { line: 1, column: 2 }));
    assert_eq!(helper_key("docker.io"), "https://index.docker.io/v1/");
    assert_eq!(helper_key("r.example"), "r.example");
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(config in prop::collection::vec(any::<u8>(), 0..300)) {
        drop(find(&config, "r.example", "a"));
        drop(find_in_dockercfg(&config, "r.example", "a"));
    }

    #[test]
    fn any_pair_survives_the_encoding(username in "[^:\0]{1,20}", password in "[^\0]{0,40}") {
        let found = find(entry(&auth(&format!("{username}:{password}"))).as_bytes(), "r.example", "a");
        prop_assert_eq!(found, Ok(Some(basic(&username, &password))));
    }

    /// The pieces around a star may stand anywhere a star allows.
    #[test]
    fn a_star_matches_what_it_was_made_from(
        first in "[a-z]{0,4}", middle in "[a-z]{0,4}", last in "[a-z]{0,4}", any in "[a-z]{0,4}",
    ) {
        let pattern = format!("{first}*{middle}*{last}");
        let label = format!("{first}{any}{middle}{any}{last}");
        prop_assert!(label_matches(&pattern, &label), "{} {}", pattern, label);
    }
}
