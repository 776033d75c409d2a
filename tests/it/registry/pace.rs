//! How fast a registry is asked, and that one registry's trouble is not another's.

use std::time::{Duration, Instant};

use futures::future::join_all;
use image_update_operator::registry::error::Error;
use image_update_operator::registry::{Access, Client, Credential};
use image_update_testkit::faulty_registry::{ALWAYS, Fault, FaultyRegistry};

use super::{app, configured, insecure, repository, tags, with_tags};

#[tokio::test]
async fn the_limit_of_the_configuration_is_kept() {
    let registry = with_tags(50).await;
    registry.limit_page(10);
    let access = configured(&registry, "limit: 20");
    let started = Instant::now();
    let list = Client::new().list_tags(&app(&registry), &access).await;
    assert_eq!(list.map(|list| list.requests).ok(), Some(5));
    let expected = Duration::from_millis(4 * 50);
    assert!(started.elapsed() >= expected, "{:?}", started.elapsed());
}

#[tokio::test]
async fn waiting_for_leave_is_not_on_the_registrys_account() {
    let registry = with_tags(30).await;
    registry.limit_page(10);
    let access = Access {
        timeout: Duration::from_millis(400),
        ..configured(&registry, "limit: 2")
    };
    let list = Client::new().list_tags(&app(&registry), &access).await;
    assert_eq!(list.map(|list| list.tags.len()).ok(), Some(30));
}

#[tokio::test]
async fn a_host_that_asks_for_rest_gets_it_and_others_are_asked() {
    for fault in [
        Fault::too_many_requests(Some("60")),
        Fault::too_many_requests(None),
        Fault::Status {
            status: 503,
            message: "maintenance".to_owned(),
            retry_after: Some("60".to_owned()),
        },
    ] {
        let registry = with_tags(1).await;
        registry.set_tags("org/other", tags(1));
        registry.fault(fault.clone(), 1);
        let other = with_tags(1).await;
        let client = Client::new();
        list(&client, &registry, "org/app", &insecure())
            .await
            .expect_err("the registry wants a rest");
        registry.forget_requests();

        let error = list(&client, &registry, "org/other", &insecure())
            .await
            .expect_err("it wants one from every repository");
        let rest = error.retry_after().unwrap_or_default();
        assert!(rest > Duration::from_secs(2), "{fault:?}: {error:?}");
        assert!(rest <= Duration::from_mins(1), "{fault:?}: {error:?}");
        assert_eq!(registry.request_count(), 0, "{fault:?}");
        let found = list(&client, &other, "org/app", &insecure()).await;
        assert_eq!(found.ok(), Some(1), "{fault:?}");
    }
}

#[tokio::test]
async fn a_rest_does_not_concern_another_credential() {
    let registry = with_tags(1).await;
    registry.fault(Fault::too_many_requests(Some("60")), 1);
    let client = Client::new();
    list(&client, &registry, "org/app", &insecure())
        .await
        .expect_err("the registry wants a rest");
    let access = Access {
        credential: Some(Credential::basic("somebody", "else")),
        ..insecure()
    };
    let found = list(&client, &registry, "org/app", &access).await;
    assert_eq!(found.ok(), Some(1));
}

#[tokio::test]
async fn a_short_rest_is_waited_for() {
    let registry = with_tags(1).await;
    registry.fault(Fault::too_many_requests(Some("1")), 1);
    let client = Client::new();
    list(&client, &registry, "org/app", &insecure())
        .await
        .expect_err("the registry wants a rest");
    let started = Instant::now();
    let found = list(&client, &registry, "org/app", &insecure()).await;
    assert_eq!(found.ok(), Some(1));
    assert!(
        started.elapsed() > Duration::from_millis(800),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_registry_that_hangs_keeps_nobody_else_waiting() {
    let hanging = with_tags(1).await;
    hanging.fault(Fault::Silence(Duration::from_secs(30)), ALWAYS);
    let other = with_tags(1).await;
    let client = Client::new();
    let patient = Access {
        timeout: Duration::from_secs(3),
        ..insecure()
    };
    let app = app(&hanging);
    let hang = join_all((0..20).map(|_| client.list_tags(&app, &patient)));
    let other = async {
        // After the others have begun.
        tokio::time::sleep(Duration::from_millis(200)).await;
        let started = Instant::now();
        let found = list(&client, &other, "org/app", &insecure()).await;
        (found.ok(), started.elapsed(), hanging.request_count())
    };
    let (found, took, asked) = tokio::select! {
        _ = hang => unreachable!("nothing has hung"),
        other = other => other,
    };
    assert_eq!(found, Some(1));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(asked, 8, "exchanges at once with one host");
}

async fn list(
    client: &Client,
    registry: &FaultyRegistry,
    path: &str,
    access: &Access,
) -> Result<usize, Error> {
    let repository = repository(registry, path);
    let list = client.list_tags(&repository, access).await?;
    Ok(list.tags.len())
}
