//! One row = one `Link` header.

use proptest::prelude::*;

use super::{Error, MAX_HEADER_BYTES, next};

#[test]
fn finds_the_next_page() {
    check(
        r#"</v2/a/tags/list?n=100&last=b>; rel="next""#,
        Some("/v2/a/tags/list?n=100&last=b"),
    );
    check(
        "<https://r.example/v2/a/tags/list?last=b>;rel=next",
        Some("https://r.example/v2/a/tags/list?last=b"),
    );
    check(r#"<?last=b>; REL="NEXT""#, Some("?last=b"));
}

#[test]
fn finds_next_among_other_links() {
    check(
        r#"</p>; rel="prev", </n>; rel="next", </l>; rel="last""#,
        Some("/n"),
    );
    check(r#"</n>; rel="last next""#, Some("/n"));
    check("</n1>; rel=next, </n2>; rel=next", Some("/n1"));
    check(r#"</n>; title="a, b; rel=prev"; rel="next""#, Some("/n"));
}

#[test]
fn takes_commas_and_semicolons_inside_brackets() {
    check("</n?a=1,2;b=3>; rel=next", Some("/n?a=1,2;b=3"));
}

#[test]
fn only_the_first_relation_counts() {
    check("</n>; rel=prev; rel=next", None);
}

#[test]
fn passes_over_links_about_something_else() {
    check(r##"</n>; rel=next; anchor="#other""##, None);
    check("</n>; rel=nextish", None);
    check("</n>", None);
    check("", None);
    check(" , ", None);
}

#[test]
fn allows_empty_and_valueless_parameters() {
    check("</n>; ; crossorigin; rel=next;", Some("/n"));
}

#[test]
fn refuses_what_cannot_be_read() {
    refuse("/n; rel=next", Error::Syntax { offset: 0 });
    refuse("</n; rel=next", Error::Syntax { offset: 13 });
    refuse("<>; rel=next", Error::Syntax { offset: 1 });
    refuse("</n> rel=next", Error::Syntax { offset: 5 });
    refuse(r#"</n>; rel="next"#, Error::Syntax { offset: 10 });
    refuse("</a\nb>; rel=next", Error::Syntax { offset: 3 });
    refuse(&"x".repeat(MAX_HEADER_BYTES + 1), Error::TooLong);
    refuse(&format!("</n>{}", ";a=b".repeat(65)), Error::TooManyParts);
}

#[track_caller]
fn check(header: &str, expected: Option<&str>) {
    assert_eq!(next(header), Ok(expected), "{header}");
}

#[track_caller]
fn refuse(header: &str, expected: Error) {
    assert_eq!(next(header), Err(expected), "{header}");
}

/// A target is never invented: it stands in the header, in brackets.
fn is_part_of(header: &str) -> bool {
    next(header)
        .ok()
        .flatten()
        .is_none_or(|target| header.contains(&format!("<{target}>")))
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(header in ".{0,200}") {
        prop_assert!(is_part_of(&header));
    }

    #[test]
    fn text_made_of_header_pieces_is_read_or_refused(
        pieces in prop::collection::vec(prop::sample::select(vec![
            "<", ">", ";", ",", "rel", "=", "next", "\"", "\\", " ", "/a", "é",
        ]), 0..40)
    ) {
        prop_assert!(is_part_of(&pieces.concat()));
    }

    #[test]
    fn any_target_comes_back_as_written(target in "[!-;=?-~]{1,80}", before in "[a-z]{1,8}") {
        let header = format!("<{before}>; rel=prev, <{target}>; rel=\"next\"");
        prop_assert_eq!(next(&header), Ok(Some(target.as_str())));
    }
}
