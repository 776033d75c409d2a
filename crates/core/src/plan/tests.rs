//! One row = one file and what becomes of it.

mod checks;
mod manifests;
mod overrides;
mod parts;
mod settled;

use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::image::Sightings;
use crate::policy::{Look, Strategy};

/// Some time, in which nothing is young.
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

const DIGEST: &str = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
const OTHER: &str = "sha256:2222222222222222222222222222222222222222222222222222222222222222";

/// An image with everything a row may set; what it does not set is the default.
struct Image {
    repository: Repository,
    policy: Policy,
    digest: DigestRule,
    kustomize_name: Option<&'static str>,
    helm: Option<ImageKeys<KeyPath>>,
    plugin: Option<ImageKeys<String>>,
    markers: Vec<String>,
    only_live: bool,
    tags: Vec<Candidate>,
    settled: Option<Settled<'static>>,
    looks: BTreeMap<Tag, Look>,
    sightings: Sightings,
    now: Timestamp,
    last: Option<Candidate>,
}

impl Image {
    fn new(repository: &str, constraint: &str, tags: &str) -> Self {
        let name = "semver".parse().expect("there is such a strategy");
        let strategy = Strategy::new(name, Some(constraint)).expect("the row's constraint parses");
        let tag = |text: &str| Candidate::new(text.parse().expect("the row's tags are tags"));
        Self {
            repository: repository.parse().expect("the row's repository parses"),
            policy: Policy::new(strategy),
            digest: DigestRule::Never,
            kustomize_name: None,
            helm: None,
            plugin: None,
            markers: vec!["ns:app".to_owned()],
            only_live: false,
            tags: tags.split_whitespace().map(tag).collect(),
            settled: None,
            looks: BTreeMap::new(),
            sightings: Sightings::new(NOW),
            now: NOW,
            last: None,
        }
    }

    fn digest(self, digest: DigestRule) -> Self {
        Self { digest, ..self }
    }

    fn called(self, name: &'static str) -> Self {
        Self {
            kustomize_name: Some(name),
            ..self
        }
    }

    fn settled(self, value: &'static str) -> Self {
        Self {
            settled: Some(Settled::Everywhere(value)),
            ..self
        }
    }

    fn helm(self, keys: ImageKeys<KeyPath>) -> Self {
        Self {
            helm: Some(keys),
            ..self
        }
    }

    fn input<'a>(&'a self, alias: &'a str) -> ImageInput<'a> {
        ImageInput {
            alias,
            repository: &self.repository,
            kustomize_name: self.kustomize_name,
            helm: self.helm.as_ref(),
            plugin: self.plugin.as_ref(),
            markers: &self.markers,
            only_live: self.only_live,
            policy: &self.policy,
            digest: self.digest,
            candidates: &self.tags,
            settled: self.settled,
            known: Known {
                looks: &self.looks,
                sightings: &self.sightings,
                now: self.now,
                last: self.last.as_ref(),
            },
        }
    }
}

fn app() -> Image {
    Image::new("registry.example/app", "*", "1.0.0 1.1.0")
}

fn path(text: &str) -> RepoPath {
    text.parse().expect("the row's path is a path")
}

fn target(format: Format, files: &[&str]) -> Target {
    Target {
        path: "overlays/prod".to_owned(),
        files: files.iter().copied().map(path).collect(),
        folder: None,
        format,
        application: None,
        source_images: Vec::new(),
    }
}

fn digests(of_1_1_0: Option<&str>) -> BTreeMap<(String, Tag), Digest> {
    let tag = "1.1.0".parse().expect("it is a tag");
    let digest = |text: &str| text.parse().expect("the row's digest is one");
    of_1_1_0
        .map(|text| (("app".to_owned(), tag), digest(text)))
        .into_iter()
        .collect()
}

fn decide_one(image: &Image, format: Format, file: &str, digest: Option<&str>) -> Plan {
    let files = Files::from([(path("k.yaml"), Some(file.as_bytes()))]);
    let targets = [target(format, &["k.yaml"])];
    decide(
        &[image.input("app")],
        &targets,
        &files,
        &digests(digest),
        &Past::new(),
    )
}

fn state(plan: &Plan) -> String {
    match &plan.placements[0].state {
        State::UpToDate => "up to date".to_owned(),
        State::NotLive => "not live".to_owned(),
        State::Change(change) => format!(
            "{}: {} -> {}",
            change.image,
            change.old.as_deref().unwrap_or("nothing"),
            change.new
        ),
        State::TakenBack(change) => format!("held: {}", change.new),
        State::Refused(reason) => format!("refused: {reason}"),
        State::AwaitingDigest => "awaiting digest".to_owned(),
        State::AwaitingLook => "awaiting look".to_owned(),
        State::AwaitingPast(change) => format!("awaiting past: {}", change.new),
        State::Broken(problem) => format!("broken: {problem}"),
    }
}

/// `after` is the file that the plan writes; empty where it writes none.
#[track_caller]
fn check(image: &Image, format: Format, before: &str, said: &str, after: &str) {
    check_with(image, format, before, None, said, after);
}

#[track_caller]
fn check_with(
    image: &Image,
    format: Format,
    before: &str,
    digest: Option<&str>,
    said: &str,
    after: &str,
) {
    let plan = decide_one(image, format, before, digest);
    assert_eq!(state(&plan), said);
    let written = plan.files.get(&path("k.yaml")).map_or("", |bytes| {
        std::str::from_utf8(bytes).expect("the file is text")
    });
    assert_eq!(written, after);
}

mod kustomizations {
    use super::*;

    const K: Format = Format::Kustomization;

    #[test]
    fn an_older_tag_is_replaced() {
        check(
            &app(),
            K,
            "images:\n- name: registry.example/app\n  newTag: 1.0.0 # why\n",
            "registry.example/app: 1.0.0 -> 1.1.0",
            "images:\n- name: registry.example/app\n  newTag: 1.1.0 # why\n",
        );
    }

    #[test]
    fn the_selected_tag_is_left_alone() {
        let file = "images:\n- {name: registry.example/app, newTag: 1.1.0}\n";
        check(&app(), K, file, "up to date", "");
    }

    #[test]
    fn a_missing_entry_is_added() {
        check(
            &app(),
            K,
            "resources: [x]\n",
            "registry.example/app: nothing -> 1.1.0",
            "resources: [x]\nimages:\n- name: registry.example/app\n  newTag: 1.1.0\n",
        );
    }

    #[test]
    fn a_newer_tag_than_any_is_not_taken_back() {
        let plan = decide_one(
            &app(),
            K,
            "images:\n- {name: registry.example/app, newTag: 2.0.0}\n",
            None,
        );
        assert!(state(&plan).starts_with("refused: "), "{}", state(&plan));
        assert!(plan.files.is_empty());
    }

    #[test]
    fn another_name_in_the_manifests_gets_a_new_name() {
        check(
            &app().called("app"),
            K,
            "images:\n- name: app\n  newTag: 1.0.0\n",
            "app: 1.0.0 -> 1.1.0",
            "images:\n- name: app\n  newTag: 1.1.0\n  newName: registry.example/app\n",
        );
        let file = "images:\n- {name: app, newName: registry.example/app, newTag: 1.1.0}\n";
        check(&app().called("app"), K, file, "up to date", "");
    }

    #[test]
    fn the_digest_is_asked_for_and_then_written() {
        let file = "images:\n- {name: registry.example/app, newTag: 1.0.0}\n";
        let image = app().digest(DigestRule::IfNotPresent);
        let plan = decide_one(&image, K, file, None);
        assert_eq!(state(&plan), "awaiting digest");
        let asked: Vec<_> = plan.missing_digests.iter().collect();
        assert_eq!(asked.len(), 1);
        assert_eq!((asked[0].0.as_str(), asked[0].1.as_str()), ("app", "1.1.0"));

        let said = format!("registry.example/app: 1.0.0 -> 1.1.0@{DIGEST}");
        let after =
            format!("images:\n- {{name: registry.example/app, newTag: 1.1.0, digest: {DIGEST}}}\n");
        check_with(&image, K, file, Some(DIGEST), &said, &after);
    }

    #[test]
    fn a_digest_of_the_same_tag_is_kept_unless_it_is_followed() {
        let file =
            format!("images:\n- name: registry.example/app\n  newTag: 1.1.0\n  digest: {DIGEST}\n");
        let kept = app().digest(DigestRule::IfNotPresent);
        check_with(&kept, K, &file, Some(OTHER), "up to date", "");
        let followed = app().digest(DigestRule::Always);
        check_with(
            &followed,
            K,
            &file,
            Some(OTHER),
            &format!("registry.example/app: 1.1.0 -> 1.1.0@{OTHER}"),
            &file.replace(DIGEST, OTHER),
        );
        assert_eq!(
            state(&decide_one(&followed, K, &file, None)),
            "awaiting digest"
        );
    }

    #[test]
    fn a_file_that_is_no_yaml_is_left_as_it_is() {
        let plan = decide_one(&app(), K, "images: [\n", None);
        let said = state(&plan);
        assert!(
            said.starts_with("broken: k.yaml was left as it is: "),
            "{said}"
        );
        assert!(plan.files.is_empty());
    }
}

mod helm_values {
    use super::*;

    const H: Format = Format::HelmValues;

    fn apart() -> Image {
        app().helm(ImageKeys::NameAndTag {
            name: Some("image.repository".parse().expect("it is a path")),
            tag: "image.tag".parse().expect("it is a path"),
        })
    }

    fn whole() -> Image {
        app().helm(ImageKeys::Spec("image".parse().expect("it is a path")))
    }

    #[test]
    fn the_tag_is_replaced_and_the_rest_is_kept() {
        check(
            &apart(),
            H,
            "image:\n  repository: registry.example/app # ours\n  tag: 1.0.0\n",
            "registry.example/app: 1.0.0 -> 1.1.0",
            "image:\n  repository: registry.example/app # ours\n  tag: 1.1.0\n",
        );
        check(&apart(), H, "image: {tag: 1.1.0}\n", "up to date", "");
    }

    #[test]
    fn a_missing_key_is_made() {
        check(
            &apart(),
            H,
            "replicas: 2\n",
            "registry.example/app: nothing -> 1.1.0",
            "replicas: 2\nimage:\n  tag: 1.1.0\n",
        );
    }

    #[test]
    fn a_whole_reference_is_replaced() {
        check(
            &whole(),
            H,
            "image: registry.example/app:1.0.0\n",
            "registry.example/app: 1.0.0 -> 1.1.0",
            "image: registry.example/app:1.1.0\n",
        );
        check(
            &whole(),
            H,
            "image: registry.example/app:1.1.0\n",
            "up to date",
            "",
        );
    }

    #[test]
    fn a_digest_stands_behind_the_tag() {
        check_with(
            &apart().digest(DigestRule::Always),
            H,
            "image: {tag: 1.0.0}\n",
            Some(DIGEST),
            &format!("registry.example/app: 1.0.0 -> 1.1.0@{DIGEST}"),
            &format!("image: {{tag: 1.1.0@{DIGEST}}}\n"),
        );
        let file = format!("image: {{tag: 1.1.0@{DIGEST}}}\n");
        let kept = apart().digest(DigestRule::IfNotPresent);
        check_with(&kept, H, &file, Some(OTHER), "up to date", "");
    }

    #[test]
    fn an_image_without_keys_is_told_how_to_get_some() {
        check(
            &app(),
            H,
            "image: {tag: 1.0.0}\n",
            "broken: k.yaml: the image has no `helm`; set helm.tag, or helm.spec, to its key in \
             the values",
            "",
        );
    }
}

#[test]
fn exactly_one_of_the_files_has_to_be_there() {
    let target = target(
        Format::Kustomization,
        &["a/kustomization.yaml", "a/kustomization.yml"],
    );
    let both = Files::from([
        (path("a/kustomization.yaml"), Some(&b"{}"[..])),
        (path("a/kustomization.yml"), Some(&b"{}"[..])),
    ]);
    let none = Files::from([(path("a/kustomization.yaml"), None)]);
    let image = app();
    for (files, said) in [
        (
            both,
            "broken: overlays/prod holds more than one kustomization: a/kustomization.yaml, \
             a/kustomization.yml; remove all but one",
        ),
        (
            none,
            "broken: overlays/prod holds no kustomization: looked for a/kustomization.yaml, \
             a/kustomization.yml",
        ),
    ] {
        let targets = std::slice::from_ref(&target);
        let plan = decide(
            &[image.input("app")],
            targets,
            &files,
            &BTreeMap::new(),
            &Past::new(),
        );
        assert_eq!(state(&plan), said);
    }
}

#[test]
fn two_targets_of_one_file_both_get_their_edits() {
    let first = Image::new("registry.example/a", "*", "1.0.0");
    let second = Image::new("registry.example/b", "*", "2.0.0");
    let files = Files::from([(path("k.yaml"), Some(&b"{}\n"[..]))]);
    let targets = [
        target(Format::Kustomization, &["k.yaml"]),
        target(Format::Kustomization, &["k.yaml"]),
    ];
    let images = [first.input("a"), second.input("b")];
    let plan = decide(&images, &targets, &files, &BTreeMap::new(), &Past::new());
    let text = String::from_utf8(plan.files[&path("k.yaml")].clone()).expect("it is text");
    assert!(
        text.contains("registry.example/a") && text.contains("registry.example/b"),
        "{text}"
    );
}

#[test]
fn an_image_that_cannot_be_decided_does_not_keep_the_others() {
    let none = Image::new("registry.example/none", "*", "");
    let image = app();
    let files = Files::from([(path("k.yaml"), Some(&b"resources: []\n"[..]))]);
    let targets = [target(Format::Kustomization, &["k.yaml"])];
    let images = [none.input("none"), image.input("app")];
    let plan = decide(&images, &targets, &files, &BTreeMap::new(), &Past::new());
    assert!(matches!(plan.placements[0].state, State::Refused(_)));
    assert!(matches!(plan.placements[1].state, State::Change(_)));
    assert_eq!(plan.changes().count(), 1);
}

proptest! {
    /// No commit loops: what was written is what is wanted.
    #[test]
    fn an_updated_file_yields_an_empty_plan(
        format in prop::sample::select(vec![Format::Kustomization, Format::HelmValues]),
        rule in prop::sample::select(vec![DigestRule::Never, DigestRule::IfNotPresent, DigestRule::Always]),
        file in prop::sample::select(vec![
            "", "{}\n", "images: []\n", "images:\n- name: registry.example/app\n",
            "images:\n- name: registry.example/app\n  newTag: 1.0.0\n",
            "images:\n- name: registry.example/app\n  newTag: \"1.0\"\n  digest: sha256:00\n",
            "image: {tag: 1.0.0}\n", "image:\n  tag: ~\n", "image:\n  repository: nginx\n",
        ]),
    ) {
        let image = app().digest(rule).helm(ImageKeys::NameAndTag {
            name: Some("image.repository".parse().expect("it is a path")),
            tag: "image.tag".parse().expect("it is a path"),
        });
        let plan = decide_one(&image, format, file, Some(DIGEST));
        prop_assert!(matches!(plan.placements[0].state, State::Change(_)), "{:?}", plan.placements);
        let written = std::str::from_utf8(&plan.files[&path("k.yaml")]).expect("it is text");
        let again = decide_one(&image, format, written, Some(DIGEST));
        prop_assert!(again.files.is_empty(), "{written}");
        prop_assert_eq!(state(&again), "up to date");
    }
}
