//! Newest build, platforms and minimum age, from the object to the file.
//!
//! A recorder stands before the registry: what a policy costs is part of what it promises.

use std::collections::BTreeMap;

use image_update_operator::api::v1alpha1::{
    ImageState, ImageStatus, ImageUpdatePolicy, ImageUpdatePolicyStatus, Reason,
};
use image_update_testkit::faulty_registry::FaultyRegistry;
use image_update_testkit::recorder::Recorder;
use image_update_testkit::registry::{PushOptions, Registry};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::world::{World, kustomization};

const PATH: &str = "team/app";

/// A world with a registry behind a recorder, and `app` at tag `old` in git.
struct Scene {
    world: World,
    registry: Registry,
    recorder: Recorder,
}

impl Scene {
    async fn start() -> Self {
        let world = World::start().await;
        let registry = Registry::start().await.expect("the registry starts");
        let recorder = Recorder::start(&registry.host())
            .await
            .expect("the recorder starts");
        let file = kustomization("app", "old");
        world
            .git
            .create_repository(
                "env",
                &[("overlays/prod/kustomization.yaml", file.as_bytes())],
            )
            .expect("the repository is made");
        Self {
            world,
            registry,
            recorder,
        }
    }

    /// Pushes an image that was built `seconds` ago; one without a believable time for `None`.
    async fn push(&self, tag: &str, seconds: Option<i64>, platforms: &[&str]) {
        let created = match seconds {
            Some(seconds) => now() - SignedDuration::from_secs(seconds),
            None => Timestamp::UNIX_EPOCH,
        };
        let options = PushOptions {
            created: Some(created),
            platforms: platforms.iter().map(ToString::to_string).collect(),
            ..PushOptions::default()
        };
        let pushed = self.registry.push_image(PATH, tag, &options).await;
        pushed.expect("the image is pushed");
    }

    /// Applies the watch and the policy, with `image` laid over its image, and starts the operator.
    async fn run(&mut self, image: Value) {
        let repository = format!("{}/{PATH}", self.recorder.host());
        self.world.watch("app", json!({"image": repository})).await;
        let mut whole =
            json!({"alias": "web", "watchRef": {"name": "app"}, "kustomize": {"name": "app"}});
        for (key, value) in image.as_object().expect("the row's image is an object") {
            whole[key] = value.clone();
        }
        self.world.policy("app", json!([whole]), json!({})).await;
        self.world.start_operator();
    }

    /// Waits until the image is in this state for this reason.
    async fn image_becomes(&self, state: ImageState, reason: Reason) -> ImageStatus {
        let world = &self.world;
        let found = async || {
            let status = world.policy_status("app").await;
            let image = status.images.into_iter().next();
            let image = image.ok_or_else(|| "no status yet".to_owned())?;
            let is_it = image.state == state && image.reason == reason;
            if is_it {
                Ok(image)
            } else {
                Err(format!("{image:?}"))
            }
        };
        world
            .until(&format!("an image {state:?} for {reason:?}"), found)
            .await
    }

    /// Asks for a look at the policy, and waits until the operator has had one.
    async fn is_looked_at_again(&self) -> ImageUpdatePolicyStatus {
        let world = &self.world;
        world.request("ImageUpdatePolicy", "app").await;
        let requested = async || {
            let status = world.policy_status("app").await;
            let policy = world.api::<ImageUpdatePolicy>().get("app").await;
            let policy = policy.expect("the policy is there");
            let asked = policy.metadata.annotations.unwrap_or_default();
            let asked = asked.get("image-update.dev/requestedAt").cloned();
            if status.last_handled_reconcile_at == asked {
                Ok(status)
            } else {
                Err(format!("{asked:?} is not honoured yet"))
            }
        };
        world.until(&"the request", requested).await
    }

    /// The requests for manifests and configs so far.
    fn looks(&self) -> usize {
        let of = |part| self.recorder.count("GET", part) + self.recorder.count("HEAD", part);
        of("/manifests/") + of("/blobs/")
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "images are built some seconds before the test's own now"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_build_goes_by_the_time_of_the_image_and_asks_once() {
    let mut scene = Scene::start().await;
    for (tag, age) in [("zz", 300), ("aa", 100), ("mm", 200)] {
        scene.push(tag, Some(age), &[]).await;
    }
    scene.push("reproducible", None, &[]).await;
    scene.run(json!({"strategy": {"newestBuild": {}}})).await;
    scene.world.kustomization_says("newTag: aa").await;
    scene.world.policy_becomes("app", "Succeeded").await;
    // The tag in use is asked for, too, though it is not listed; it is not there.
    assert_eq!(scene.recorder.count("GET", "/manifests/"), 5);
    assert_eq!(scene.recorder.count("GET", "/blobs/"), 4);
    scene.recorder.forget();
    scene.push("bb", Some(50), &[]).await;
    scene.world.request("ImageWatch", "app").await;
    scene.world.kustomization_says("newTag: bb").await;
    assert_eq!(scene.looks(), 2, "{:#?}", scene.recorder.requests());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_a_cache_folder_fetches_nothing_again() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut scene = Scene::start().await;
    scene
        .world
        .flag(&format!("--cache-dir={}", folder.path().display()));
    for (tag, age) in [("aa", 100), ("mm", 200)] {
        scene
            .push(tag, Some(age), &["linux/amd64", "linux/arm64"])
            .await;
    }
    scene
        .run(json!({"strategy": {"newestBuild": {}}, "platforms": ["linux/arm64"]}))
        .await;
    scene.world.kustomization_says("newTag: aa").await;
    scene.world.policy_becomes("app", "Succeeded").await;
    scene.world.kill_operator();
    scene.recorder.forget();
    scene.push("bb", Some(50), &["linux/amd64"]).await;
    scene.push("cc", Some(150), &["linux/arm64"]).await;
    scene.world.start_operator();
    // The newest one is for another platform; what is left is older than what runs.
    let world = &scene.world;
    let asked = async || match scene.recorder.count("GET", "/blobs/") {
        2.. => Ok(()),
        count => Err(format!("{count} configs")),
    };
    world.until(&"the new images are looked at", asked).await;
    world.request("ImageUpdatePolicy", "app").await;
    world.policy_becomes("app", "Succeeded").await;
    assert_eq!(
        scene.recorder.count("GET", "/manifests/"),
        2,
        "{:#?}",
        scene.recorder.requests()
    );
    assert_eq!(world.commits().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_of_one_repository_share_what_is_learnt() {
    let mut scene = Scene::start().await;
    for (tag, age) in [("aa", 100), ("mm", 200), ("zz", 300)] {
        scene.push(tag, Some(age), &[]).await;
    }
    let image = json!([{
        "alias": "api",
        "watchRef": {"name": "app"},
        "kustomize": {"name": "api"},
        "strategy": {"newestBuild": {}},
    }]);
    scene.world.policy("api", image, json!({})).await;
    scene.run(json!({"strategy": {"newestBuild": {}}})).await;
    scene.world.policy_becomes("app", "Succeeded").await;
    scene.world.policy_becomes("api", "Succeeded").await;
    let requests = scene.recorder.requests();
    // The tag in use is asked for, too, though it is not listed; it is not there.
    assert_eq!(
        scene.recorder.count("HEAD", "/manifests/"),
        4,
        "{requests:#?}"
    );
    assert_eq!(
        scene.recorder.count("GET", "/manifests/"),
        4,
        "{requests:#?}"
    );
    assert_eq!(scene.recorder.count("GET", "/blobs/"), 3, "{requests:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn more_builds_than_are_compared_are_not_asked_for() {
    let world = &mut World::start().await;
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.set_tags(PATH, (0..5_001).map(|number| format!("v{number}")));
    let repository = format!("{}/{PATH}", registry.host());
    world.watch("app", json!({"image": repository})).await;
    let image = json!([{
        "alias": "web",
        "watchRef": {"name": "app"},
        "strategy": {"newestBuild": {}},
    }]);
    let file = kustomization("app", "old");
    world
        .git
        .create_repository(
            "env",
            &[("overlays/prod/kustomization.yaml", file.as_bytes())],
        )
        .expect("the repository is made");
    world.policy("app", image, json!({})).await;
    world.start_operator();
    let message = world.policy_becomes("app", "InvalidSpec").await;
    assert!(
        message.ends_with(
            "newestBuild would have to look at 5001 images, at most 5000; narrow tags.allow"
        ),
        "{message}"
    );
    let requests = registry.requests();
    assert!(requests.iter().all(|it| !it.path.contains("/manifests/")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_registry_never_leads_to_an_older_build() {
    let mut scene = Scene::start().await;
    scene.push("mm", Some(200), &[]).await;
    scene.push("aa", Some(100), &[]).await;
    scene.recorder.spoil("/manifests/");
    scene.run(json!({"strategy": {"newestBuild": {}}})).await;
    scene
        .world
        .policy_becomes("app", "RegistryInvalidResponse")
        .await;
    assert!(scene.world.kustomization().contains("newTag: old"));
    scene.recorder.behave();
    scene.world.request("ImageUpdatePolicy", "app").await;
    scene.world.kustomization_says("newTag: aa").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_build_stays_when_its_tag_vanishes_from_the_list_and_from_the_registry() {
    let mut scene = Scene::start().await;
    for (tag, age) in [("zz", 300), ("aa", 100), ("mm", 200)] {
        scene.push(tag, Some(age), &[]).await;
    }
    scene.run(json!({"strategy": {"newestBuild": {}}})).await;
    scene.world.kustomization_says("newTag: aa").await;
    scene.world.policy_becomes("app", "Succeeded").await;

    let watch = |excluded: Value| {
        let image = format!("{}/{PATH}", scene.recorder.host());
        json!({"image": image, "excludeTags": excluded})
    };
    scene.world.watch("app", watch(json!(["^aa$"]))).await;
    let message = scene.world.policy_becomes("app", "DowngradeRefused").await;
    assert!(message.contains("mm, the best tag"), "{message}");

    // Nobody can be asked when it was built any more, and nothing is in memory.
    let deleted = scene.registry.delete_tag(PATH, "aa").await;
    deleted.expect("the tag is deleted");
    scene.world.watch("app", watch(json!([]))).await;
    scene.world.kill_operator();
    scene.world.start_operator();
    let spec = json!({"spec": {"interval": "31s"}});
    scene.world.patch("ImageUpdatePolicy", "app", spec).await;
    let decided = async || {
        let status = scene.is_looked_at_again().await;
        let reason = status.images[0].reason;
        if reason == Reason::WatchNotReady {
            return Err("the watch was not scanned yet".to_owned());
        }
        Ok(reason)
    };
    let reason = scene.world.until(&"a decision", decided).await;
    assert_eq!(reason, Reason::DowngradeRefused);
    assert!(scene.world.kustomization().contains("newTag: aa"));
    scene.push("nn", Some(50), &[]).await;
    scene.world.request("ImageWatch", "app").await;
    scene.world.kustomization_says("newTag: nn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_none_is_told_at_the_start() {
    let file = tempfile::NamedTempFile::new().expect("there is room");
    let mut scene = Scene::start().await;
    scene
        .world
        .flag(&format!("--cache-dir={}", file.path().display()));
    scene.run(json!({"strategy": {"semver": {}}})).await;
    let world = &scene.world;
    let told = async || {
        let logs = world.logs();
        let is_told = logs.contains("--cache-dir can't be used");
        if is_told { Ok(()) } else { Err(logs) }
    };
    world.until(&"the error", told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_images_for_the_platforms_are_written() {
    let mut scene = Scene::start().await;
    scene
        .push("1.0.0", Some(300), &["linux/amd64", "linux/arm64"])
        .await;
    scene
        .push("1.1.0", Some(200), &["linux/amd64", "linux/arm64"])
        .await;
    scene.push("1.2.0", Some(100), &[]).await;
    scene
        .run(json!({"strategy": {"semver": {}}, "platforms": ["linux/amd64", "linux/arm64"]}))
        .await;
    scene.world.kustomization_says("newTag: 1.1.0").await;
    scene.world.policy_becomes("app", "Succeeded").await;
    // 1.2.0 with its config, the index of 1.1.0, nothing of 1.0.0.
    assert_eq!(scene.looks(), 3, "{:#?}", scene.recorder.requests());
    let image = scene
        .image_becomes(ImageState::UpToDate, Reason::Updated)
        .await;
    assert_eq!(
        image.message,
        "wrote 1.1.0; 1.2.0 has no image for linux/arm64"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_image_for_the_platform_is_no_candidate() {
    let mut scene = Scene::start().await;
    scene.push("1.0.0", Some(300), &[]).await;
    scene
        .run(json!({"strategy": {"semver": {}}, "platforms": ["linux/s390x"]}))
        .await;
    let image = scene
        .image_becomes(ImageState::NoCandidate, Reason::PlatformMissing)
        .await;
    assert_eq!(image.message, "1.0.0 has no image for linux/s390x");
    assert!(scene.world.kustomization().contains("newTag: old"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_image_is_held_and_written_when_its_time_has_come() {
    let mut scene = Scene::start().await;
    scene.push("1.0.0", Some(3600), &[]).await;
    scene
        .run(json!({"strategy": {"semver": {}}, "minimumAge": "15s"}))
        .await;
    scene.world.kustomization_says("newTag: 1.0.0").await;
    scene.push("1.1.0", Some(0), &[]).await;
    let pushed = now();
    scene.world.request("ImageWatch", "app").await;
    let image = scene
        .image_becomes(ImageState::Held, Reason::TooYoung)
        .await;
    assert!(
        image.message.starts_with("1.1.0 is held until 20"),
        "{}",
        image.message
    );
    let until = image.held_until.expect("it says until when").0;
    assert!(until > pushed && until <= pushed + SignedDuration::from_secs(15));
    let (ready, reason, message) = scene.world.policy_ready("app").await;
    assert_eq!((ready.as_str(), reason.as_str()), ("True", "TooYoung"));
    assert!(message.starts_with("web: 1.1.0 is held"), "{message}");
    assert!(scene.world.kustomization().contains("newTag: 1.0.0"));

    // Nobody asks: the operator comes back by itself, before its interval of 30 s.
    scene.world.kustomization_says("newTag: 1.1.0").await;
    let written = now();
    assert!(written >= until, "written at {written}, held until {until}");
    assert!(written < until + SignedDuration::from_secs(10), "{written}");
    let image = scene
        .image_becomes(ImageState::UpToDate, Reason::Updated)
        .await;
    assert_eq!(image.held_until, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reproducible_build_is_as_old_as_its_first_sighting() {
    let mut scene = Scene::start().await;
    scene.push("1.0.0", Some(3600), &[]).await;
    scene
        .run(json!({"strategy": {"semver": {}}, "minimumAge": "1h"}))
        .await;
    scene.world.kustomization_says("newTag: 1.0.0").await;
    // Times have whole seconds.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    scene.push("1.1.0", None, &[]).await;
    scene.world.request("ImageWatch", "app").await;
    let image = scene
        .image_becomes(ImageState::Held, Reason::TooYoung)
        .await;
    assert!(
        image.message.contains("its build has no usable time"),
        "{}",
        image.message
    );
    let seen = scene.world.watch_status("app").await.first_seen;
    let first: BTreeMap<_, _> = seen
        .iter()
        .map(|(tag, time)| (tag.as_str(), time.0))
        .collect();
    let until = image.held_until.expect("it says until when").0;
    assert_eq!(first["1.1.0"] + SignedDuration::from_hours(1), until);
    assert!(first["1.0.0"] < first["1.1.0"]);

    // The sighting outlives the operator.
    scene.world.kill_operator();
    scene.world.start_operator();
    scene.world.request("ImageWatch", "app").await;
    let status = scene.is_looked_at_again().await;
    assert_eq!(
        status.images[0].held_until.as_ref().map(|it| it.0),
        Some(until)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moved_is_held_as_what_it_is_now() {
    let mut scene = Scene::start().await;
    scene.push("stable", Some(3600), &[]).await;
    scene
        .run(json!({"strategy": {"digest": {"tag": "stable"}}, "minimumAge": "30m"}))
        .await;
    scene.world.kustomization_says("digest: sha256:").await;
    let before = scene.world.kustomization();
    scene.push("stable", Some(60), &[]).await;
    scene.world.request("ImageUpdatePolicy", "app").await;
    scene
        .image_becomes(ImageState::Held, Reason::TooYoung)
        .await;
    assert_eq!(scene.world.kustomization(), before);
}
