//! One row = tags, what is known of their images, and what is written, held or asked for.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::image::{Build, Platform};
use crate::policy::{Strategy, StrategyName};

const FORMAT: Format = Format::Kustomization;

/// Ten o'clock: times of a row are hours of that day.
fn hour(hour: i64) -> Timestamp {
    let midnight: Timestamp = "2024-06-01T00:00:00Z".parse().expect("it is a time");
    midnight
        .checked_add(jiff::SignedDuration::from_hours(hour))
        .expect("hours of a row are few")
}

/// What a row knows of images: `tag`, `tag@hour` when it was built, `tag=platform@hour`, `tag!`
/// that is gone, separated by blanks. `@0` has no usable time.
fn looks(text: &str) -> BTreeMap<Tag, Look> {
    text.split_whitespace().map(look).collect()
}

fn look(text: &str) -> (Tag, Look) {
    let tag = |text: &str| text.parse().expect("the row's tags are tags");
    if let Some(gone) = text.strip_suffix('!') {
        return (tag(gone), Look::Gone);
    }
    let (name, created) = text.split_once('@').unwrap_or((text, "0"));
    let (name, platform) = name.split_once('=').unwrap_or((name, "linux/amd64"));
    let created: i64 = created.parse().expect("the row's hours are numbers");
    let build = Build {
        platform: platform.parse().ok(),
        created: (created > 0).then(|| hour(created)),
    };
    let image = crate::image::Image {
        digest: DIGEST.parse().expect("it is a digest"),
        builds: vec![build],
    };
    (tag(name), Look::Found(image))
}

fn by_semver(tags: &str) -> Image {
    Image {
        now: hour(10),
        sightings: Sightings::new(hour(0)),
        ..Image::new("registry.example/app", "*", tags)
    }
}

fn by_time(tags: &str) -> Image {
    let strategy = Strategy::new(StrategyName::NewestBuild, None).expect("it needs nothing");
    Image {
        policy: Policy::new(strategy),
        ..by_semver(tags)
    }
}

impl Image {
    fn at_least(mut self, hours: u64) -> Self {
        self.policy.checks.minimum_age = Duration::from_hours(hours);
        self
    }

    fn on(mut self, platforms: &[&str]) -> Self {
        let parse = |text: &&str| text.parse().expect("the row's platforms are platforms");
        self.policy.checks.platforms = platforms.iter().map(parse).collect::<Vec<Platform>>();
        self
    }

    fn knowing(mut self, text: &str) -> Self {
        self.looks = looks(text);
        self
    }

    /// With what somebody wrote down of a tag: `tag@hour`.
    fn remembering(mut self, text: &str) -> Self {
        let (tag, look) = look(text);
        let created = match look {
            Look::Found(image) => image.built(&[]),
            Look::Gone => None,
        };
        self.last = Some(Candidate { tag, created });
        self
    }
}

/// A file that says `current`, a tag or `tag@digest`; nothing if that is empty.
fn file(current: &str) -> String {
    let (tag, digest) = current.split_once('@').unwrap_or((current, ""));
    let mut file = "images:\n- name: registry.example/app\n".to_owned();
    if !tag.is_empty() {
        file = format!("{file}  newTag: {tag}\n");
    }
    if !digest.is_empty() {
        file = format!("{file}  digest: {digest}\n");
    }
    file
}

/// What a plan comes to: its state, what it asks for, and what is withheld.
fn summary(plan: &Plan) -> String {
    let mut words = vec![match &plan.placements[0].state {
        State::Change(change) => format!("writes {}", change.new),
        State::Refused(reason) => format!("refused {}", reason.name()),
        State::UpToDate
        | State::NotLive
        | State::TakenBack(_)
        | State::AwaitingDigest
        | State::AwaitingLook
        | State::AwaitingPast(_)
        | State::Broken(_) => state(plan),
    }];
    let asked = plan.missing_looks.iter().map(|(_, tag)| tag.to_string());
    words.extend(asked.map(|tag| format!("looks at {tag}")));
    let digests = plan.missing_digests.iter();
    words.extend(digests.map(|(_, tag)| format!("resolves {tag}")));
    let withheld = plan.placements[0].withheld.iter();
    words.extend(withheld.map(|it| format!("{} {}", it.tag, it.refusal.rule().name())));
    words.join(", ")
}

#[track_caller]
fn check(image: &Image, current: &str, expected: &str) {
    check_digest(image, current, None, expected);
}

/// With the digest that tag 1.1.0 has now.
#[track_caller]
fn check_digest(image: &Image, current: &str, digest: Option<&str>, expected: &str) {
    let plan = decide_one(image, FORMAT, &file(current), digest);
    assert_eq!(summary(&plan), expected);
}

/// The rules of all losers, by tag.
#[track_caller]
fn check_rules(image: &Image, current: &str, expected: &str) {
    let plan = decide_one(image, FORMAT, &file(current), None);
    let decision = plan.placements[0].decision.as_ref();
    let rejected = &decision.expect("the row decides").rejected;
    let mut shown: Vec<String> = rejected
        .iter()
        .map(|it| format!("{} {}", it.tag, it.rule.name()))
        .collect();
    shown.sort();
    assert_eq!(shown.join(", "), expected);
}

#[test]
fn without_checks_nothing_is_looked_at() {
    check(&by_semver("1.0.0 1.1.0"), "1.0.0", "writes 1.1.0");
}

#[test]
fn only_the_winner_is_looked_at_and_then_the_next_one() {
    let image = || by_semver("1.0.0 1.1.0 1.2.0").at_least(2);
    check(&image(), "1.0.0", "awaiting look, looks at 1.2.0");
    check(
        &image().knowing("1.2.0@9"),
        "1.0.0",
        "awaiting look, looks at 1.1.0",
    );
    check(
        &image().knowing("1.2.0@9 1.1.0@8"),
        "1.0.0",
        "writes 1.1.0, 1.2.0 TooYoung",
    );
    check(&image().knowing("1.2.0@8"), "1.0.0", "writes 1.2.0");
}

#[test]
fn what_stands_there_is_not_looked_at() {
    check(&by_semver("1.0.0 1.1.0").at_least(2), "1.1.0", "up to date");
    let kept = by_semver("1.1.0")
        .at_least(2)
        .digest(DigestRule::IfNotPresent);
    check(&kept, &format!("1.1.0@{OTHER}"), "up to date");
}

#[test]
fn a_young_tag_is_held_while_the_current_one_stays() {
    let image = by_semver("1.0.0 1.1.0").at_least(2).knowing("1.1.0@9");
    check(&image, "1.0.0", "up to date, 1.1.0 TooYoung");
    let until = decide_one(&image, FORMAT, &file("1.0.0"), None).placements[0].withheld[0]
        .refusal
        .until();
    assert_eq!(until, Some(hour(11)));
}

#[test]
fn nothing_is_written_where_all_is_refused() {
    let image = by_semver("1.0.0 1.1.0")
        .at_least(2)
        .knowing("1.0.0@9 1.1.0@9");
    check(
        &image,
        "",
        "refused Withheld, 1.1.0 TooYoung, 1.0.0 TooYoung",
    );
    check_rules(&image, "", "1.0.0 TooYoung, 1.1.0 TooYoung");
}

#[test]
fn a_refused_winner_never_leads_below_the_current_tag() {
    // 1.0.5 is what runs, and was deleted.
    let image = by_semver("1.0.0 1.1.0").at_least(2).knowing("1.1.0@9");
    check(&image, "1.0.5", "refused Withheld, 1.1.0 TooYoung");
    check_rules(&image, "1.0.5", "1.0.0 Downgrade, 1.1.0 TooYoung");
}

#[test]
fn platforms_are_checked_of_the_winner() {
    let image = || by_semver("1.0.0 1.1.0").on(&["linux/arm64"]);
    check(
        &image().knowing("1.1.0 1.0.0=linux/arm64"),
        "",
        "writes 1.0.0, 1.1.0 PlatformMissing",
    );
    check(
        &image().knowing("1.1.0! 1.0.0=linux/arm64"),
        "",
        "writes 1.0.0, 1.1.0 Gone",
    );
}

#[test]
fn an_image_without_a_time_is_dated_by_its_sighting() {
    let mut image = by_semver("1.0.0 1.1.0").at_least(2).knowing("1.1.0@0");
    check(&image, "1.0.0", "writes 1.1.0");
    let tags = || image.tags.iter().map(|it| it.tag.clone());
    let (before, after) = (tags().take(1).collect(), tags().collect());
    image.sightings = image.sightings.after(&before, &after, hour(9));
    check(&image, "1.0.0", "up to date, 1.1.0 TooYoung");
}

#[test]
fn a_pin_is_not_asked() {
    let mut image = by_semver("1.0.0 1.1.0").at_least(2).on(&["linux/arm64"]);
    image.policy.pin = Some("1.0.0".parse().expect("it is a tag"));
    check(&image, "1.1.0", "writes 1.0.0");
    let mut image = by_time("1.0.0 1.1.0");
    image.policy.pin = Some("1.0.0".parse().expect("it is a tag"));
    check(&image, "1.1.0", "writes 1.0.0");
}

#[test]
fn the_digest_that_was_checked_is_the_one_that_is_written() {
    let image = by_semver("1.0.0 1.1.0")
        .at_least(2)
        .digest(DigestRule::IfNotPresent)
        .knowing("1.1.0@5");
    let expected = format!("writes 1.1.0@{DIGEST}");
    check_digest(&image, "1.0.0", Some(OTHER), &expected);
}

#[test]
fn a_tag_that_is_followed_is_checked_as_what_it_is_now() {
    let image = || {
        by_semver("1.1.0")
            .at_least(2)
            .digest(DigestRule::Always)
            .knowing("1.1.0@9")
    };
    let ran = format!("1.1.0@{OTHER}");
    check(&image(), &ran, "awaiting digest, resolves 1.1.0");
    // What is known is of another digest.
    let asked = "awaiting look, looks at 1.1.0";
    check_digest(&image(), &format!("1.1.0@{DIGEST}"), Some(OTHER), asked);
    check_digest(
        &image(),
        &ran,
        Some(DIGEST),
        "refused Withheld, 1.1.0 TooYoung",
    );
    check_digest(
        &image(),
        &format!("1.1.0@{DIGEST}"),
        Some(DIGEST),
        "up to date",
    );
}

#[test]
fn a_moved_tag_that_is_too_young_takes_nothing_down() {
    let mut image = by_semver("1.0.0 1.1.0")
        .at_least(2)
        .digest(DigestRule::Always)
        .knowing("1.1.0@9 1.0.0@1");
    image.policy.allow_downgrade = true;
    check_digest(
        &image,
        &format!("1.1.0@{OTHER}"),
        Some(DIGEST),
        "refused Withheld, 1.1.0 TooYoung",
    );
}

#[test]
fn looking_ends_where_a_repository_has_nothing_to_give() {
    let names: Vec<String> = (0..MAX_LOOKS + 5)
        .map(|patch| format!("1.0.{patch}"))
        .collect();
    let known: Vec<String> = names.iter().map(|name| format!("{name}@9")).collect();
    let image = by_semver(&names.join(" "))
        .at_least(2)
        .knowing(&known.join(" "));
    let plan = decide_one(&image, FORMAT, &file(""), None);
    assert_eq!(plan.placements[0].withheld.len(), MAX_LOOKS);
    assert_eq!(
        state(&plan),
        "refused: 1.0.36 is the best tag and is not written: \
         it is younger than the minimum age"
    );
    let decision = plan.placements[0].decision.as_ref();
    let rejected = &decision.expect("it is decided").rejected;
    assert_eq!(rejected.len(), names.len(), "each has its rule");
}

mod newest_build {
    use super::*;

    #[test]
    fn the_time_of_every_tag_that_passes_is_needed() {
        let mut image = by_time("a b rc");
        image.policy.filter.ignore = vec!["rc*".parse().expect("it is a glob")];
        check(&image, "", "awaiting look, looks at a, looks at b");
        check(&image.knowing("a@3 b@2"), "", "writes a");
    }

    #[test]
    fn the_current_tag_is_dated_even_if_it_does_not_pass() {
        let mut image = by_time("a rc");
        image.policy.filter.ignore = vec!["rc*".parse().expect("it is a glob")];
        check(&image, "rc", "awaiting look, looks at a, looks at rc");
        check(&image.knowing("a@3 rc@4"), "rc", "refused DowngradeRefused");
    }

    #[test]
    fn a_tag_that_is_listed_no_more_is_not_gone_below() {
        let image = || by_time("a b");
        let asked = "awaiting look, looks at a, looks at b, looks at c";
        check(&image(), "c", asked);
        let refused = "refused DowngradeRefused";
        check(&image().knowing("a@1 b@2 c@3"), "c", refused);
        check(&image().knowing("a@1 b@3 c@2"), "c", "writes b");
        let checked = image().at_least(1).knowing("a@1 b@2 c@3");
        check(&checked, "c", refused);
        let mut allowed = image().knowing("a@1 b@2 c@3");
        allowed.policy.allow_downgrade = true;
        check(&allowed, "c", "writes b");
        // No tag can be looked at by this name.
        check(&image().knowing("a@1 b@2"), "not a tag", "writes b");
    }

    #[test]
    fn a_tag_that_is_gone_is_not_gone_below_as_far_as_it_is_remembered() {
        let image = || by_time("a b").knowing("a@1 b@2 c!");
        check(&image(), "c", "writes b");
        check(&image().remembering("d@3"), "c", "writes b");
        check(&image().remembering("c@0"), "c", "writes b");
        let refused = "refused DowngradeRefused";
        check(&image().remembering("c@3"), "c", refused);
        let listed = by_time("a b c").knowing("a@1 b@2 c!").remembering("c@3");
        check(&listed, "c", refused);
        check(&image().remembering("c@1"), "c", "writes b");
        // What the registry says goes before what was written down.
        let moved = by_time("a b c").knowing("a@1 b@2 c@1").remembering("c@3");
        check(&moved, "c", "writes b");
    }

    #[test]
    fn a_placement_says_when_its_images_were_built() {
        #[track_caller]
        fn check_built(image: &Image, current: &str, expected: (Option<i64>, Option<i64>)) {
            let plan = decide_one(image, FORMAT, &file(current), None);
            let placement = &plan.placements[0];
            let found = (placement.current_built, placement.selected_built);
            assert_eq!(found, (expected.0.map(hour), expected.1.map(hour)));
        }
        let image = || by_time("a b").knowing("a@1 b@2 c!");
        check_built(&image(), "a", (Some(1), Some(2)));
        check_built(&image(), "c", (None, Some(2)));
        check_built(&image().remembering("c@3"), "c", (Some(3), None));
        check_built(
            &by_semver("1.0.0").knowing("1.0.0@1"),
            "1.0.0",
            (None, None),
        );
    }

    #[test]
    fn tags_without_a_usable_time_are_dropped_with_their_rule() {
        let image = by_time("a b c d")
            .on(&["linux/amd64"])
            .knowing("a@1 b@0 c! d=linux/arm64@9");
        check(&image, "", "writes a");
        check_rules(&image, "", "b NoBuildTime, c Gone, d PlatformMissing");
    }

    #[test]
    fn equal_times_leave_it_to_the_tag() {
        check(&by_time("a b").knowing("a@3 b@3"), "", "writes b");
    }

    #[test]
    fn a_young_build_is_held_and_the_next_one_taken() {
        let image = by_time("a b").at_least(2).knowing("a@3 b@9");
        check(&image, "", "writes a, b TooYoung");
    }
}

proptest! {
    /// What is asked for is what is needed: answering it ends, and no tag is asked for twice.
    #[test]
    fn answering_what_is_asked_comes_to_an_end(
        built in proptest::collection::btree_map(0..40_u8, 0..12_i64, 0..40),
        is_by_time: bool,
        minimum_age in 0..4_u64,
        current in 0..40_u8,
    ) {
        let tags: Vec<String> = built.keys().map(|patch| format!("1.0.{patch}")).collect();
        let tags = tags.join(" ");
        let make = if is_by_time { by_time } else { by_semver };
        let mut image = make(&tags).at_least(minimum_age);
        let current = format!("1.0.{current}");
        for _ in 0..=built.len() {
            let plan = decide_one(&image, FORMAT, &file(&current), None);
            if plan.missing_looks.is_empty() {
                let placement = &plan.placements[0];
                let decision = placement.decision.as_ref().expect("all is known");
                let told = decision.rejected.len() + usize::from(decision.selected.is_some());
                prop_assert_eq!(told, image.tags.len(), "each tag has its rule, or is selected");
                if let State::Change(change) = &placement.state {
                    let (_, at) = built.iter().find(|(patch, _)| format!("1.0.{patch}") == change.new)
                        .expect("a tag is never invented");
                    let age = u64::try_from(10 - at).unwrap_or_default();
                    prop_assert!(*at == 0 || age >= minimum_age, "{} is too young", change.new);
                }
                return Ok(());
            }
            for (_, tag) in plan.missing_looks {
                let patch: u8 = tag.as_str()[4..].parse().expect("the tag is one of ours");
                // The current one is asked for though it is not listed.
                let (tag, look) = match built.get(&patch) {
                    Some(hour) => look(&format!("{tag}@{hour}")),
                    None => look(&format!("{tag}!")),
                };
                prop_assert!(image.looks.insert(tag, look).is_none(), "asked for twice");
            }
        }
        prop_assert!(false, "it never ends");
    }
}
