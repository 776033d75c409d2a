//! What is counted is in the text, under the names of the table.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Metrics of which everything happened once.
fn everything() -> Metrics {
    let metrics = Metrics::new();
    metrics.reconciled("ImageWatch", "ready", SECOND);
    metrics.registry_request("r.example", "GET", Some(429), SECOND);
    metrics.scanned(Some(1_700_000_000), SECOND);
    metrics.selected(SECOND);
    metrics.git_operation(GitOperation::Update, GitOutcome::Pushed, SECOND);
    metrics.git_exchange("git-upload-pack", 10, 20);
    metrics.git_race();
    metrics.batch(3);
    metrics.written(SECOND);
    metrics.images(ImageCounts {
        checked: 4,
        updated: 3,
        failed: 2,
        unwritten: 1,
    });
    metrics.kubernetes_request(Some(404));
    metrics.leading(true);
    metrics.sharded(3);
    metrics.webhook("ghcr", "accepted");
    metrics.webhook_scan("ImageWatch");
    metrics.notification("sent");
    metrics
}

fn inventory() -> Inventory {
    let ready = ("ImageWatch", "True", "Succeeded");
    Inventory {
        objects: BTreeMap::from([(ready, 2)]),
        stalled: BTreeMap::from([("ImageWatch", 3)]),
        images: BTreeMap::from([("Held", 1), ("UpToDate", 4)]),
        tags: 7,
        applications: 3,
    }
}

#[track_caller]
fn check(line: &str) {
    let text = everything().text(&inventory());
    assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
}

#[test]
fn what_happened_is_counted() {
    check(r#"image_update_reconcile_duration_seconds_count{kind="ImageWatch",outcome="ready"} 1"#);
    check(
        r#"image_update_registry_requests_total{method="GET",registry="r.example",status="429"} 1"#,
    );
    check(r#"image_update_registry_rate_limited_total{registry="r.example"} 1"#);
    check(r#"image_update_scan_duration_seconds_sum{outcome="success"} 1"#);
    check("image_update_last_successful_scan_timestamp_seconds 1700000000");
    check(r#"image_update_git_operations_total{kind="update",outcome="pushed"} 1"#);
    check(r#"image_update_git_bytes_total{direction="received",service="git-upload-pack"} 20"#);
    check("image_update_git_push_races_total 1");
    check("image_update_leader 1");
    check("image_update_shards 3");
    check(r#"image_update_webhook_requested_scans_total{kind="ImageWatch"} 1"#);
    check(r#"image_update_notifications_total{outcome="sent"} 1"#);
    check(r#"image_update_git_batch_policies_bucket{le="2"} 0"#);
    check(r#"image_update_git_batch_policies_bucket{le="5"} 1"#);
    check("image_update_tag_to_commit_seconds_count 1");
    check("argocd_image_updater_images_checked_total 4");
    check("argocd_image_updater_images_updated_total 3");
    check("argocd_image_updater_images_errors_total 2");
    check("argocd_image_updater_images_updated_errors_total 1");
    check(r#"argocd_image_updater_registry_requests_failed_total{registry="r.example"} 1"#);
    check("argocd_image_updater_k8s_api_errors_total 1");
}

#[test]
fn what_objects_say_is_told_and_forgotten_with_them() {
    check(r#"image_update_objects{kind="ImageWatch",ready="True",reason="Succeeded"} 2"#);
    check(r#"image_update_stalled{kind="ImageWatch"} 3"#);
    check(r#"image_update_images{state="Held"} 1"#);
    check("argocd_image_updater_images_watched_total 5");
    check("argocd_image_updater_applications_watched_total 3");
    check("image_update_tags 7");

    let metrics = everything();
    metrics.text(&inventory());
    let text = metrics.text(&Inventory::default());
    assert!(!text.contains("Held"), "{text}");
    assert!(text.contains("image_update_tags 0\n"), "{text}");
}

#[test]
fn a_demand_for_a_token_is_no_failure() {
    let metrics = Metrics::new();
    for (answer, failures) in [(Some(200), 0), (Some(401), 0), (Some(404), 1), (None, 2)] {
        metrics.registry_request("r.example", "GET", answer, SECOND);
        let line = format!(
            "argocd_image_updater_registry_requests_failed_total{{registry=\"r.example\"}} {failures}"
        );
        let text = metrics.text(&Inventory::default());
        assert!(text.contains(&line), "after {answer:?}:\n{text}");
    }
}

#[test]
fn the_table_has_every_metric_once_as_it_is() {
    let text = everything().text(&inventory());
    let mut told: BTreeMap<String, (String, String)> = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, help)) = line
            .strip_prefix("# HELP ")
            .and_then(|it| it.split_once(' '))
        {
            told.entry(name.to_owned()).or_default().1 = help.to_owned();
        }
        if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|it| it.split_once(' '))
        {
            told.entry(name.to_owned()).or_default().0 = kind.to_owned();
        }
    }
    let table: BTreeMap<String, (String, String)> = TABLE
        .iter()
        .map(|it| {
            let kind = it.kind.as_str().to_owned();
            (it.name.to_owned(), (kind, it.help.to_owned()))
        })
        .collect();
    assert_eq!(table.len(), TABLE.len());
    assert_eq!(told, table);
}

#[test]
fn without_events_there_are_series_for_alerts_to_start_from() {
    let text = Metrics::new().text(&Inventory::default());
    for line in [
        "argocd_image_updater_images_updated_errors_total 0",
        "argocd_image_updater_images_checked_total 0",
        "image_update_git_push_races_total 0",
        r#"image_update_git_operations_total{kind="update",outcome="refused"} 0"#,
        r#"image_update_scan_duration_seconds_count{outcome="success"} 0"#,
    ] {
        assert!(text.lines().any(|it| it == line), "no {line} in\n{text}");
    }
}
