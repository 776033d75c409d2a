//! What looking at images tells, and what it costs: a real registry behind a recorder.

use std::collections::BTreeMap;
use std::path::Path;

use image_update_core::image::{Platform, Tag, TagSet};
use image_update_core::policy::Look;
use image_update_operator::registry::error::Error;
use image_update_operator::registry::{Access, Builds, Client, Credential, Question};
use image_update_testkit::recorder::Recorder;
use image_update_testkit::registry::{PushOptions, Registry};
use jiff::Timestamp;

use super::{PATH, insecure, tag};

const MANIFESTS: &str = "/manifests/";
const BLOBS: &str = "/blobs/";

/// A registry, what stands before it, and the one who looks.
struct Scene {
    registry: Registry,
    recorder: Recorder,
    builds: Builds,
}

impl Scene {
    async fn start() -> Self {
        Self::start_with(None).await
    }

    async fn start_with(folder: Option<&Path>) -> Self {
        let registry = Registry::start().await.expect("the registry starts");
        let recorder = Recorder::start(&registry.host())
            .await
            .expect("the recorder starts");
        Self {
            registry,
            recorder,
            builds: builds(folder),
        }
    }

    async fn push(&self, tag: &str, options: PushOptions) -> String {
        let pushed = self.registry.push_image(PATH, tag, &options).await;
        pushed.expect("the image is pushed")
    }

    async fn push_built(&self, tag: &str, created: &str) -> String {
        self.push(tag, built(created)).await
    }

    /// Looks at `tags` as `access` for `platforms` and the time.
    async fn look_as(
        &self,
        access: &Access,
        tags: &[&str],
        platforms: &[&str],
    ) -> Result<BTreeMap<Tag, Look>, Error> {
        let repository = format!("{}/{PATH}", self.recorder.host());
        let repository = repository.parse().expect("it is a repository");
        let platforms: Vec<Platform> = platforms
            .iter()
            .map(|text| text.parse().expect("the row's platforms are platforms"))
            .collect();
        let question = Question {
            repository: &repository,
            access,
            platforms: &platforms,
            needs_time: true,
        };
        let tags: TagSet = tags.iter().map(|it| tag(it)).collect();
        let mut looks = self.builds.known(&question, &tags).await;
        let unknown = tags.tags().filter(|tag| !looks.contains_key(tag));
        let asked: Vec<_> = unknown.map(|tag| (tag, None)).collect();
        if !asked.is_empty() {
            looks.extend(self.builds.look(&question, &asked).await?);
        }
        Ok(looks)
    }

    async fn look(&self, tags: &[&str], platforms: &[&str]) -> BTreeMap<Tag, Look> {
        let looked = self.look_as(&insecure(), tags, platforms).await;
        looked.expect("the registry answers")
    }

    /// Compares the requests since the last comparison: HEADs, manifests and configs.
    #[track_caller]
    fn cost(&self, heads: usize, manifests: usize, configs: usize) {
        let found = (
            self.recorder.count("HEAD", MANIFESTS),
            self.recorder.count("GET", MANIFESTS),
            self.recorder.count("GET", BLOBS),
        );
        let requests = self.recorder.requests();
        assert_eq!(found, (heads, manifests, configs), "{requests:#?}");
        assert_eq!(requests.len(), heads + manifests + configs, "{requests:#?}");
        self.recorder.forget();
    }
}

fn builds(folder: Option<&Path>) -> Builds {
    Builds::new(Client::new(), folder).expect("the folder can be used")
}

fn time(text: &str) -> Timestamp {
    text.parse().expect("the row's time is one")
}

fn built(created: &str) -> PushOptions {
    PushOptions {
        created: created.parse().ok(),
        content: created.to_owned(),
        ..PushOptions::default()
    }
}

/// `platform@created` of every build, separated by blanks; `gone` of a tag without an image.
fn shown(look: &Look) -> String {
    let Look::Found(image) = look else {
        return "gone".to_owned();
    };
    let build = |build: &image_update_core::image::Build| {
        let platform = build.platform.as_ref().map(ToString::to_string);
        let created = build.created.map(|it| it.to_string());
        format!(
            "{}@{}",
            platform.unwrap_or_default(),
            created.unwrap_or_default()
        )
    };
    let builds: Vec<String> = image.builds.iter().map(build).collect();
    builds.join(" ")
}

#[tokio::test]
async fn one_image_costs_its_manifest_and_its_config_once() {
    let scene = Scene::start().await;
    let digest = scene.push_built("1.0", "2024-05-01T00:00:00Z").await;
    let looks = scene.look(&["1.0"], &[]).await;
    let look = &looks[&tag("1.0")];
    assert_eq!(shown(look), "linux/amd64@2024-05-01T00:00:00Z");
    assert!(matches!(look, Look::Found(image) if image.digest.as_str() == digest));
    scene.cost(0, 1, 1);
    assert_eq!(scene.look(&["1.0"], &[]).await, looks);
    scene.cost(0, 0, 0);
}

#[tokio::test]
async fn tags_of_one_digest_share_what_is_fetched() {
    let scene = Scene::start().await;
    scene.push_built("a", "2024-05-01T00:00:00Z").await;
    let copied = scene.registry.copy_tag(PATH, "a", "b").await;
    copied.expect("the tag is copied");
    scene.look(&["a"], &[]).await;
    scene.cost(0, 1, 1);
    scene.push_built("c", "2024-06-01T00:00:00Z").await;
    let looks = scene.look(&["a", "b", "c"], &[]).await;
    scene.cost(2, 1, 1);
    assert_eq!(looks[&tag("a")], looks[&tag("b")]);
}

#[tokio::test]
async fn a_restart_with_a_folder_fetches_nothing_again() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut scene = Scene::start_with(Some(folder.path())).await;
    scene.push_built("a", "2024-05-01T00:00:00Z").await;
    let options = PushOptions {
        platforms: vec!["linux/amd64".to_owned(), "linux/arm64".to_owned()],
        ..built("2024-06-01T00:00:00Z")
    };
    scene.push("b", options).await;
    let before = scene.look(&["a", "b"], &[]).await;
    scene.cost(2, 4, 3);
    scene.builds = builds(Some(folder.path()));
    assert_eq!(scene.look(&["a", "b"], &[]).await, before);
    scene.cost(2, 0, 0);
    // The winner alone, too.
    scene.builds = builds(Some(folder.path()));
    scene.look(&["b"], &[]).await;
    scene.cost(1, 0, 0);
}

#[tokio::test]
async fn spoilt_files_are_fetched_again() {
    let folder = tempfile::tempdir().expect("there is room");
    let mut scene = Scene::start_with(Some(folder.path())).await;
    scene.push_built("a", "2024-05-01T00:00:00Z").await;
    let before = scene.look(&["a"], &[]).await;
    scene.recorder.forget();
    spoil_files(folder.path());
    scene.builds = builds(Some(folder.path()));
    assert_eq!(scene.look(&["a"], &[]).await, before);
    scene.cost(1, 1, 1);
}

/// Cuts every file below `folder` short.
fn spoil_files(folder: &Path) {
    for entry in std::fs::read_dir(folder).expect("it can be read") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            spoil_files(&path);
        } else {
            std::fs::write(&path, "sha256:").expect("it can be written");
        }
    }
}

#[tokio::test]
async fn the_images_of_an_index_are_read_as_far_as_they_are_wanted() {
    let scene = Scene::start().await;
    let options = PushOptions {
        platforms: ["linux/amd64", "linux/arm64", "linux/arm/v7"]
            .map(ToOwned::to_owned)
            .into(),
        created_for: BTreeMap::from([("linux/arm64".to_owned(), time("2024-07-01T00:00:00Z"))]),
        attested: true,
        ..built("2024-05-01T00:00:00Z")
    };
    scene.push("1.0", options).await;
    let looks = scene.look(&["1.0"], &["linux/arm64"]).await;
    assert_eq!(
        shown(&looks[&tag("1.0")]),
        "linux/amd64@ linux/arm64@2024-07-01T00:00:00Z linux/arm/v7@"
    );
    scene.cost(0, 2, 1);
    // Another question about the same image fetches the rest only.
    let looks = scene.look(&["1.0"], &["linux/amd64", "linux/arm64"]).await;
    assert_eq!(
        shown(&looks[&tag("1.0")]),
        "linux/amd64@2024-05-01T00:00:00Z linux/arm64@2024-07-01T00:00:00Z linux/arm/v7@"
    );
    scene.cost(0, 1, 1);
}

#[tokio::test]
async fn what_one_credential_has_seen_another_one_has_to_see_for_itself() {
    let scene = Scene::start().await;
    scene.push_built("1.0", "2024-05-01T00:00:00Z").await;
    scene.look(&["1.0"], &[]).await;
    scene.recorder.forget();
    let other = Access {
        credential: Some(Credential::basic("somebody", "else")),
        ..insecure()
    };
    let looked = scene.look_as(&other, &["1.0"], &[]).await;
    looked.expect("the registry lets anybody in");
    let asked = scene.recorder.requests();
    assert!(!asked.is_empty(), "the registry was not asked");
    scene.cost(0, 1, 0);
}

#[tokio::test]
async fn a_tag_that_is_gone_is_told_from_a_failure() {
    let scene = Scene::start().await;
    scene.push_built("1.0", "2024-05-01T00:00:00Z").await;
    let looks = scene.look(&["1.0", "2.0"], &[]).await;
    assert_eq!(shown(&looks[&tag("2.0")]), "gone");
    assert_eq!(
        shown(&looks[&tag("1.0")]),
        "linux/amd64@2024-05-01T00:00:00Z"
    );
}

#[tokio::test]
async fn an_image_without_its_config_is_gone() {
    let scene = Scene::start().await;
    scene.push_built("1.0", "2024-05-01T00:00:00Z").await;
    scene.recorder.hide(BLOBS);
    let looks = scene.look(&["1.0"], &[]).await;
    assert_eq!(shown(&looks[&tag("1.0")]), "gone");
}

#[tokio::test]
async fn content_that_is_not_of_its_digest_is_an_error_and_is_not_kept() {
    for part in [BLOBS, MANIFESTS] {
        let scene = Scene::start().await;
        scene.push_built("1.0", "2024-05-01T00:00:00Z").await;
        scene.recorder.spoil(part);
        let error = scene.look_as(&insecure(), &["1.0"], &[]).await;
        let error = error.expect_err("the content is spoilt");
        assert!(
            matches!(
                error,
                Error::ContentMismatch { .. } | Error::DigestMismatch { .. }
            ),
            "{part}: {error:?}"
        );
        scene.recorder.behave();
        let looks = scene.look(&["1.0"], &[]).await;
        assert_eq!(
            shown(&looks[&tag("1.0")]),
            "linux/amd64@2024-05-01T00:00:00Z"
        );
    }
}

#[tokio::test]
async fn an_attempt_goes_on_where_the_last_one_failed() {
    let scene = Scene::start().await;
    let tags: Vec<String> = (0..40).map(|number| format!("v{number:02}")).collect();
    let tags: Vec<&str> = tags.iter().map(String::as_str).collect();
    for tag in &tags {
        scene.push_built(tag, "2024-05-01T00:00:00Z").await;
    }
    let last = scene.push_built("v40", "2024-05-02T00:00:00Z").await;
    let tags = [tags.as_slice(), &["v40"]].concat();
    scene.recorder.spoil(&last);
    let failed = scene.look_as(&insecure(), &tags, &[]).await;
    failed.expect_err("one manifest is spoilt");
    scene.recorder.behave();
    scene.recorder.forget();
    let looks = scene.look(&tags, &[]).await;
    assert_eq!(looks.len(), tags.len());
    let again = scene.recorder.count("GET", MANIFESTS);
    // Those that were under way at once when it failed, at most.
    assert!((1..=8).contains(&again), "{again} manifests");
}
