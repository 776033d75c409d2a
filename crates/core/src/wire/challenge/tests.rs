//! One row = one header a registry sent, or might.

use proptest::prelude::*;

use super::{Bearer, Challenge, Error, MAX_HEADER_BYTES, parse};

#[test]
fn reads_what_registries_send() {
    check(
        r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#,
        &[bearer("https://auth.docker.io/token")
            .service("registry.docker.io")
            .scope("repository:library/nginx:pull")
            .challenge()],
    );
    check(r#"Basic realm="Registry Realm""#, &[Challenge::Basic]);
    check(
        r#"Bearer realm="https://r.example/t",error="insufficient_scope""#,
        &[bearer("https://r.example/t")
            .error("insufficient_scope")
            .challenge()],
    );
}

#[test]
fn compares_names_without_case() {
    check(r#"BASIC Realm="x""#, &[Challenge::Basic]);
    check(
        r#"bEARER REALM="r",Service="s""#,
        &[bearer("r").service("s").challenge()],
    );
}

#[test]
fn separates_several_challenges() {
    check(
        r#"Bearer realm="r",service="s", Basic realm="x, y""#,
        &[bearer("r").service("s").challenge(), Challenge::Basic],
    );
    check(
        r#"Basic, Bearer realm="r""#,
        &[Challenge::Basic, bearer("r").challenge()],
    );
    check(
        "Negotiate, Basic realm=x",
        &[other("negotiate"), Challenge::Basic],
    );
    check(
        "Negotiate YIIabc==, Basic realm=x",
        &[other("negotiate"), Challenge::Basic],
    );
    check(r#", ,Basic realm="x",,"#, &[Challenge::Basic]);
}

#[test]
fn undoes_escapes_in_quoted_strings() {
    check(
        r#"Bearer realm="a\"b\\c",service="x=y, z""#,
        &[bearer(r#"a"b\c"#).service("x=y, z").challenge()],
    );
}

#[test]
fn allows_space_around_equals_and_commas() {
    check(
        "Bearer  realm = \"r\" ,\tservice= s",
        &[bearer("r").service("s").challenge()],
    );
}

#[test]
fn reads_a_url_without_quotes() {
    check(
        "Bearer realm=https://r.example/t?a=b,service=s",
        &[bearer("https://r.example/t?a=b").service("s").challenge()],
    );
}

#[test]
fn an_empty_header_offers_nothing() {
    check("", &[]);
    check(" , ", &[]);
}

#[test]
fn refuses_what_is_cut_off_or_ambiguous() {
    refuse(r#"Bearer realm="https://r"#, Error::Syntax { offset: 13 });
    refuse("Bearer realm=\"a\nb\"", Error::Syntax { offset: 13 });
    refuse(r#"Bearer realm="a\"#, Error::Syntax { offset: 13 });
    refuse("Bearer realm=r,service=", Error::Syntax { offset: 23 });
    refuse(r#"realm="x""#, Error::Syntax { offset: 6 });
    refuse(r#"Bearer "x""#, Error::Syntax { offset: 7 });
    refuse(r#"Bearer realm="a",realm="b""#, Error::DuplicateParameter);
    refuse("Bearer", Error::NoRealm);
    refuse(r#"Bearer service="s""#, Error::NoRealm);
}

#[test]
fn refuses_more_than_any_registry_needs() {
    refuse(&"x".repeat(MAX_HEADER_BYTES + 1), Error::TooLong);
    refuse(&"Basic,".repeat(17), Error::TooManyParts);
    let parameters = (0..33)
        .map(|number| format!("p{number}=v"))
        .collect::<Vec<_>>()
        .join(",");
    refuse(&format!("Basic {parameters}"), Error::TooManyParts);
}

#[track_caller]
fn check(header: &str, expected: &[Challenge]) {
    assert_eq!(parse(header).as_deref(), Ok(expected), "{header}");
}

#[track_caller]
fn refuse(header: &str, expected: Error) {
    assert_eq!(parse(header), Err(expected), "{header}");
}

fn bearer(realm: &str) -> Bearer {
    Bearer {
        realm: realm.to_owned(),
        service: None,
        scope: None,
        error: None,
    }
}

fn other(scheme: &str) -> Challenge {
    Challenge::Other {
        scheme: scheme.to_owned(),
    }
}

impl Bearer {
    fn service(self, service: &str) -> Self {
        Self {
            service: Some(service.to_owned()),
            ..self
        }
    }

    fn scope(self, scope: &str) -> Self {
        Self {
            scope: Some(scope.to_owned()),
            ..self
        }
    }

    fn error(self, error: &str) -> Self {
        Self {
            error: Some(error.to_owned()),
            ..self
        }
    }

    fn challenge(self) -> Challenge {
        Challenge::Bearer(self)
    }
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(header in ".{0,200}") {
        drop(parse(&header));
    }

    #[test]
    fn text_made_of_header_pieces_is_read_or_refused(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "Bearer", "Basic", " ", ",", "=", "\"", "\\", "realm", "a", "==", "\t", "é",
        ]), 0..40)
    ) {
        drop(parse(&pieces.concat()));
    }

    /// What a registry quotes is what is read, whatever it holds.
    #[test]
    fn quoting_is_undone(realm in "[ -~]{0,60}", service in "[ -~é]{0,60}") {
        let header = format!("Bearer realm={}, service={}", quoted(&realm), quoted(&service));
        prop_assert_eq!(parse(&header), Ok(vec![bearer(&realm).service(&service).challenge()]));
    }
}
