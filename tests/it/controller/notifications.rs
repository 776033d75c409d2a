//! Who is told of updates, of what is held and of failures, and what nobody is told.

use image_update_testkit::inbox::{Answer, Inbox, Letter};
use image_update_testkit::registry::Registry;
use serde_json::{Value, json};

use super::main_job::semver;
use crate::world::World;

const TOKEN: &str = "notify-pa55word-never-shown";

/// A part of an address that is as secret as a token.
const PATH: &str = "/services/T0-never-shown";

/// A world that deploys 1.0.0 of `team/app`, and a Secret `inbox` with the address of an inbox.
async fn world(answers: &[Answer]) -> (World, Registry, Inbox) {
    let (world, registry) = World::with_app(&[]).await;
    world.deploy_app(&registry, "1.0.0");
    let inbox = Inbox::start(answers).await.expect("the inbox starts");
    let address = inbox.url(PATH);
    let data = [
        ("address", address.as_str()),
        ("token", TOKEN),
        ("headers", "X-Team: a"),
    ];
    world.secret("inbox", None, &data).await;
    (world, registry, inbox)
}

async fn policy(world: &World, notify: Value) {
    let spec = json!({"notify": notify});
    world.policy("app", semver("app", "*"), spec).await;
}

/// Waits for so many letters.
async fn letters(world: &World, inbox: &Inbox, count: usize) -> Vec<Letter> {
    let waiting = world.until(&"letters", async || {
        let letters = inbox.letters();
        if letters.len() >= count {
            Ok(letters)
        } else {
            Err(format!("{letters:?}"))
        }
    });
    waiting.await
}

fn body(letter: &Letter) -> Value {
    serde_json::from_slice(&letter.body).expect("a letter is JSON")
}

/// The notes of events with a reason.
async fn events(world: &World, reason: &str) -> Vec<String> {
    let api = world.api::<k8s_openapi::api::events::v1::Event>();
    let events = api.list(&kube::api::ListParams::default()).await;
    let events = events.expect("events can be listed").items.into_iter();
    let events = events.filter(|event| event.reason.as_deref() == Some(reason));
    events.filter_map(|event| event.note).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_and_a_failure_are_told_once() {
    let (mut world, registry, inbox) = world(&[]).await;
    policy(&world, json!([{"secretRef": {"name": "inbox"}}])).await;
    world.start_operator();
    world.policy_becomes("app", "Succeeded").await;
    let told = letters(&world, &inbox, 1).await;
    assert_eq!(told[0].request, format!("POST {PATH}"));
    assert_eq!(told[0].headers["authorization"], format!("Bearer {TOKEN}"));
    assert_eq!(told[0].headers["x-team"], "a");
    let update = body(&told[0]);
    assert_eq!(update["event"], "Updated");
    assert_eq!(
        update["policy"],
        json!({"namespace": world.namespace, "name": "app"})
    );
    let change = json!({"alias": "web", "old": "1.0.0", "new": "1.1.0"});
    assert_eq!(update["changes"], json!([change]));
    let commit = &world
        .policy_status("app")
        .await
        .last_write
        .expect("it wrote")
        .commit;
    assert_eq!(update["commit"]["id"].as_str(), commit.as_deref());

    // The credential goes away; that it is still away is no news.
    world
        .secret(
            "git",
            None,
            &[("username", "nobody"), ("password", "wrong")],
        )
        .await;
    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    let told = letters(&world, &inbox, 2).await;
    assert_eq!(body(&told[1])["event"], "Failed");
    for _ in 0..3 {
        world.request("ImageUpdatePolicy", "app").await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    let told = inbox.letters();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(!world.logs().contains("never-shown"), "{}", world.logs());
}

#[tokio::test(flavor = "multi_thread")]
async fn formats_and_events_are_each_receivers_own_and_held_images_are_told() {
    let (mut world, _registry, inbox) = world(&[]).await;
    let reference = json!({"name": "inbox"});
    let notify = json!([
        {"secretRef": reference, "format": "Slack", "events": ["Held"]},
        {"secretRef": reference, "format": "CloudEvents", "events": ["Updated"]},
    ]);
    policy(&world, notify).await;
    world.start_operator();
    world.policy_becomes("app", "Succeeded").await;
    let told = letters(&world, &inbox, 1).await;
    assert_eq!(
        told[0].headers["content-type"],
        "application/cloudevents+json"
    );
    let event = body(&told[0]);
    assert_eq!(event["specversion"], "1.0");
    assert_eq!(event["type"], "dev.image-update.policy.updated");
    assert_eq!(event["data"]["changes"][0]["new"], "1.1.0");

    // Somebody takes the update back.
    let text = world.kustomization().replace("1.1.0", "1.0.0");
    let file = ("overlays/prod/kustomization.yaml", text.as_bytes());
    let taken_back = world.git.commit("env", "main", &[file], "Revert");
    taken_back.expect("the file is written");
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "RevertedInGit").await;
    let told = letters(&world, &inbox, 2).await;
    let text = body(&told[1])["text"].as_str().map(str::to_owned);
    let text = text.expect("Slack gets a text");
    assert!(text.contains("/app holds an update: web: "), "{text}");
    assert_eq!(inbox.letters().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_busy_is_asked_again_and_one_that_refuses_is_not() {
    let busy = Answer {
        status: 429,
        header: Some(("retry-after", "1")),
    };
    let broken = Answer {
        status: 503,
        header: None,
    };
    let (mut world, registry, inbox) = world(&[busy, broken]).await;
    // Never followed: the address said where to.
    let elsewhere = Answer {
        status: 307,
        header: Some(("location", "http://127.0.0.1:1/never-shown")),
    };
    let other = Inbox::start(&[elsewhere]).await.expect("the inbox starts");
    let address = other.url(PATH);
    world.secret("other", None, &[("address", &address)]).await;
    let notify = json!([{"secretRef": {"name": "inbox"}}, {"secretRef": {"name": "other"}}]);
    policy(&world, notify).await;
    world.start_operator();
    let told = letters(&world, &inbox, 3).await;
    assert!(
        told.iter().all(|letter| letter.body == told[0].body),
        "{told:?}"
    );
    let told = world
        .until(&"the event", async || {
            let told = events(&world, "NotificationFailed").await;
            if told.is_empty() {
                Err("none".to_owned())
            } else {
                Ok(told)
            }
        })
        .await;
    assert_eq!(
        told,
        ["Secret other: the receiver answered 307 Temporary Redirect"]
    );
    assert_eq!(other.letters().len(), 1);

    // The next one is sent again.
    let pushed = registry.push("team/app", "1.2.0").await;
    pushed.expect("the image is pushed");
    letters(&world, &other, 2).await;
    assert!(!world.logs().contains("never-shown"));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_where_the_operator_may_not_go() {
    let (mut world, _registry, inbox) = world(&[]).await;
    let data = [("address", "http://169.254.169.254/latest")];
    world.secret("metadata", None, &data).await;
    world.flag("--allowed-hosts=localhost,127.0.0.1,169.254.169.254");
    let outside = [("address", "https://hooks.example.com/never-shown")];
    world.secret("outside", None, &outside).await;
    let names = ["metadata", "outside", "gone", "inbox"];
    let notify = names.map(|name| json!({"secretRef": {"name": name}}));
    policy(&world, json!(notify)).await;
    world.start_operator();
    letters(&world, &inbox, 1).await;
    let expected = [
        "Secret metadata: the address leads to a link-local address, which is never contacted",
        "Secret outside: the host of the address is not one of --allowed-hosts",
        "the Secret gone can't be read: Secret gone is not there",
    ];
    world
        .until(&"the events", async || {
            let told = events(&world, "NotificationFailed").await;
            let is_told = |note: &&str| told.iter().any(|it| it.starts_with(*note));
            if expected.iter().all(is_told) {
                Ok(())
            } else {
                Err(format!("{told:?}"))
            }
        })
        .await;
    assert!(!world.logs().contains("hooks.example.com"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_fails_from_the_start_is_told_once_and_with_its_reason() {
    let (mut world, _registry, inbox) = world(&[]).await;
    world
        .watch("app", json!({"image": "127.0.0.1:1/team/app"}))
        .await;
    policy(&world, json!([{"secretRef": {"name": "inbox"}}])).await;
    world.start_operator();
    let told = letters(&world, &inbox, 1).await;
    let failure = body(&told[0]);
    assert_eq!(failure["reason"], "WatchNotReady");
    let message = failure["message"].as_str().expect("there is a message");
    assert!(message.contains("has no tags yet: "), "{message}");
    for _ in 0..3 {
        world.request("ImageUpdatePolicy", "app").await;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    assert_eq!(inbox.letters().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_own_receiver_is_told_of_every_policy() {
    let (mut world, _registry, _inbox) = world(&[]).await;
    let inbox = Inbox::start(&[]).await.expect("the inbox starts");
    let folder = tempfile::tempdir().expect("a folder can be made");
    std::fs::write(folder.path().join("address"), inbox.url(PATH)).expect("it can be written");
    std::fs::write(folder.path().join("token"), TOKEN).expect("it can be written");
    world.flag(&format!("--notify-secret-dir={}", folder.path().display()));
    world.flag("--notify-format=slack");
    world.flag("--notify-on=updated");
    policy(&world, json!([])).await;
    world.start_operator();
    let told = letters(&world, &inbox, 1).await;
    let expected = format!("{}/app updated: web: 1.0.0 -&gt; 1.1.0", world.namespace);
    assert_eq!(body(&told[0]), json!({"text": expected}));
    assert!(!world.logs().contains("never-shown"));
}
