//! What goes wrong, and what it is called. Nothing that does is a shorter list.

use image_update_operator::registry::Client;
use image_update_operator::registry::error::{BodyError, Error};
use image_update_testkit::faulty_registry::{ALWAYS, Fault};

use super::{check, insecure, list, repository, with_tags};

#[tokio::test]
async fn a_page_that_is_no_tag_list_is_an_error() {
    check(Fault::ContentType("text/html"), |error| {
        matches!(
            error,
            Error::InvalidBody {
                source: BodyError::ContentType(_),
                ..
            }
        )
    })
    .await;
    let is_json_error = |error: &Error| {
        matches!(
            error,
            Error::InvalidBody {
                source: BodyError::TagPage(_),
                ..
            }
        )
    };
    check(Fault::TruncatedJson, is_json_error).await;
    for body in ["", "{}", "[]", r#"{"tags":{}}"#, r#"{"tags":[1]}"#] {
        check(Fault::Body(body.to_owned()), is_json_error).await;
    }
}

#[tokio::test]
async fn a_listing_without_end_is_an_error() {
    check(Fault::EndlessPage, |error| {
        matches!(error, Error::TooManyPages { .. })
    })
    .await;
    check(Fault::SamePage, |error| {
        matches!(error, Error::RepeatedPage { .. })
    })
    .await;
    // Another URL each time, but the same tags.
    let link = Fault::Link("/v2/org/app/tags/list?n=1000&again=1".to_owned());
    check(link, |error| matches!(error, Error::RepeatedPage { .. })).await;
}

#[tokio::test]
async fn a_body_without_end_is_an_error() {
    check(Fault::HugeBody(64 << 20), |error| {
        matches!(error, Error::BodyTooLarge { .. })
    })
    .await;
}

#[tokio::test]
async fn a_link_that_cannot_be_read_is_an_error() {
    for header in ["<>; rel=next", "</v2; rel=next", "</v2> rel=next"] {
        check(Fault::LinkHeader(header.to_owned()), |error| {
            matches!(error, Error::InvalidLink { .. })
        })
        .await;
    }
}

#[tokio::test]
async fn a_later_page_that_fails_fails_the_listing() {
    for fault in [
        Fault::status(500),
        Fault::status(404),
        Fault::too_many_requests(None),
        Fault::TruncatedJson,
        Fault::CutConnection,
        Fault::ContentType("text/html"),
    ] {
        let registry = with_tags(30).await;
        registry.limit_page(10);
        registry.fault_after(2, fault.clone(), ALWAYS);
        list(&registry, &insecure())
            .await
            .expect_err(&format!("{fault:?} on page 3"));
    }
}

#[tokio::test]
async fn statuses_are_told_apart() {
    check(Fault::status(403), |error| {
        matches!(error, Error::Forbidden { .. })
    })
    .await;
    check(Fault::status(404), |error| {
        matches!(error, Error::RepositoryNotFound { .. })
    })
    .await;
    check(Fault::status(418), |error| {
        matches!(error, Error::UnexpectedStatus { status: 418, .. })
    })
    .await;
    check(Fault::status(503), |error| {
        matches!(error, Error::ServerError { status: 503, .. })
    })
    .await;
    check(Fault::CutConnection, |error| {
        matches!(error, Error::Interrupted { .. })
    })
    .await;
    check(Fault::RedirectLoop, |error| {
        matches!(error, Error::TooManyRedirects { .. })
    })
    .await;
}

#[tokio::test]
async fn an_unknown_repository_is_named_with_the_registrys_words() {
    let registry = with_tags(1).await;
    let unknown = repository(&registry, "org/other");
    let error = Client::new()
        .list_tags(&unknown, &insecure())
        .await
        .expect_err("it is unknown");
    assert!(
        matches!(error, Error::RepositoryNotFound { .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains(unknown.as_str()) && text.contains("repository name not known"),
        "{text}"
    );
}
