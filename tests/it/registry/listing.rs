//! What a registry in order is asked, and what becomes of its answers.

use image_update_operator::registry::{Client, TagList};
use image_update_testkit::faulty_registry::Fault;

use super::{PATH, app, insecure, list, list_with, tags, with_tags};

#[tokio::test]
async fn lists_every_page_in_order() {
    let registry = with_tags(2_500).await;
    let list = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    assert_eq!((list.tags.len(), list.requests), (2_500, 3));
    assert!(list.tags.iter().is_sorted(), "tags are sorted");
    assert_eq!(list.skipped, None);
}

#[tokio::test]
async fn asks_for_a_thousand_tags_without_a_ping() {
    let registry = with_tags(3).await;
    list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    let paths: Vec<_> = registry
        .requests()
        .into_iter()
        .map(|request| request.path)
        .collect();
    assert_eq!(paths, ["/v2/org/app/tags/list?n=1000"]);
}

#[tokio::test]
async fn follows_a_registry_that_gives_smaller_pages() {
    let registry = with_tags(95).await;
    registry.limit_page(10);
    let list = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    assert_eq!((list.tags.len(), list.requests), (95, 10));
}

#[tokio::test]
async fn the_revision_follows_the_tags() {
    let registry = with_tags(30).await;
    let first = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    registry.limit_page(7);
    let paged = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    assert_eq!(first.revision, paged.revision);
    registry.set_tags(PATH, tags(31));
    let longer = list(&registry, &insecure())
        .await
        .expect("a registry in order is listed");
    assert_ne!(first.revision, longer.revision);
}

#[tokio::test]
async fn a_repository_may_have_no_tags() {
    for body in [r#"{"name":"org/app","tags":null}"#, r#"{"tags":[]}"#] {
        let list = list_with(Fault::Body(body.to_owned()), 1)
            .await
            .expect("the page is valid");
        assert!(list.tags.is_empty());
    }
}

#[tokio::test]
async fn leaves_out_what_is_no_tag_and_says_so() {
    let body = r#"{"tags":["b","","-x","b","a","ä","x y"]}"#;
    let list = list_with(Fault::Body(body.to_owned()), 1)
        .await
        .expect("the page is valid");
    let tags: Vec<_> = list.tags.iter().collect();
    let skipped = list.skipped.expect("something was left out");
    assert_eq!((tags, skipped.count), (vec!["a", "b"], 4));
}

#[tokio::test]
async fn takes_json_by_other_names() {
    for content_type in [
        "application/json; charset=utf-8",
        "text/plain",
        "application/vnd.x+json",
    ] {
        list_with(Fault::ContentType(content_type), 1)
            .await
            .expect("the page is valid");
    }
}

#[tokio::test]
async fn a_list_with_a_name_is_not_sent_again_until_it_changes() {
    let registry = with_tags(3).await;
    registry.give_etags();
    let (client, access) = (Client::new(), insecure());
    let repository = app(&registry);
    let list = async |before: Option<&TagList>| {
        let list = client.list_tags_again(&repository, &access, before).await;
        list.expect("the registry is in order")
    };
    let first = list(None).await;
    let second = list(Some(&first)).await;
    assert_eq!((second.tags == first.tags, second.requests), (true, 1));
    assert_eq!(registry.not_modified_count(), 1);

    registry.set_tags(PATH, tags(4));
    assert_eq!(list(Some(&second)).await.tags.len(), 4);

    // Of several pages, the first one says nothing about the others.
    registry.limit_page(2);
    let paged = list(None).await;
    registry.set_tags(PATH, tags(5));
    registry.forget_requests();
    assert_eq!(list(Some(&paged)).await.tags.len(), 5);
    assert_eq!(registry.request_count(), 3);
    assert_eq!(registry.not_modified_count(), 1);
}
