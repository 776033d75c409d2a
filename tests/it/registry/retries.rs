//! When the client asks again, and how long it takes at most.

use std::time::{Duration, Instant};

use image_update_operator::registry::Access;
use image_update_operator::registry::error::Error;
use image_update_testkit::faulty_registry::{ALWAYS, Fault};

use super::{check_requests, check_retry_after, insecure, list, list_with, unexpected, with_tags};

#[tokio::test]
async fn a_failure_that_passes_is_bridged() {
    for fault in [Fault::status(500), Fault::status(502), Fault::CutConnection] {
        let list = list_with(fault.clone(), 2)
            .await
            .unwrap_or_else(|error| unexpected(&error));
        assert_eq!((list.tags.len(), list.requests), (5, 3), "{fault:?}");
    }
}

#[tokio::test]
async fn a_failure_that_stays_is_asked_three_times() {
    check_requests(Fault::status(500), 3).await;
    check_requests(Fault::CutConnection, 3).await;
}

#[tokio::test]
async fn what_asking_again_cannot_change_is_asked_once() {
    for fault in [
        Fault::status(403),
        Fault::status(404),
        Fault::too_many_requests(None),
        Fault::TruncatedJson,
        Fault::HugeBody(64 << 20),
    ] {
        check_requests(fault, 1).await;
    }
}

#[tokio::test]
async fn a_rate_limit_says_how_long_to_wait() {
    check_retry_after(Fault::too_many_requests(Some("120")), Some(120)).await;
    check_retry_after(Fault::too_many_requests(None), None).await;
    check_retry_after(Fault::too_many_requests(Some("soon")), None).await;
    // Far in the past: the wait is over.
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    check_retry_after(Fault::too_many_requests(Some(date)), Some(0)).await;
}

#[tokio::test]
async fn a_server_that_says_when_is_not_asked_before() {
    let registry = with_tags(1).await;
    let fault = Fault::Status {
        status: 503,
        message: "maintenance".to_owned(),
        retry_after: Some("60".to_owned()),
    };
    registry.fault(fault, ALWAYS);
    let error = list(&registry, &insecure()).await.expect_err("it is down");
    assert_eq!(
        error.retry_after(),
        Some(Duration::from_mins(1)),
        "{error:?}"
    );
    assert_eq!(registry.request_count(), 1);
}

#[tokio::test]
async fn a_slow_registry_is_given_up_in_time() {
    for fault in [
        Fault::SlowDrip(Duration::from_millis(50)),
        Fault::Silence(Duration::from_secs(30)),
        // Retries end with the time, too.
        Fault::status(500),
    ] {
        let registry = with_tags(100).await;
        registry.fault(fault.clone(), ALWAYS);
        let access = Access {
            timeout: Duration::from_millis(150),
            ..insecure()
        };
        let started = Instant::now();
        let error = list(&registry, &access).await.expect_err("it is too slow");
        assert!(
            matches!(error, Error::Timeout { .. }),
            "{fault:?}: {error:?}"
        );
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{fault:?}: {:?}",
            started.elapsed()
        );
    }
}
