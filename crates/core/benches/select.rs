//! What a selection costs. The budget: 50,000 tags in 30 ms, 1,000 tags in 1 ms.
//!
//! The tags are made up by a rule that gives each strategy something to do: versions, build
//! numbers, dates, and junk.

use std::collections::BTreeMap;
use std::time::Duration;

use divan::{Bencher, black_box};
use image_update_core::image::{Build, Candidate, Image, Sightings, Tag};
use image_update_core::plan::{
    DigestRule, Digests, Files, Format, ImageInput, Known, Past, Target, decide,
};
use image_update_core::policy::{
    Extract, Filter, Look, Policy, Strategy, StrategyName, ranked, select,
};
use image_update_core::remote::RepoPath;
use jiff::Timestamp;

const SIZES: [usize; 2] = [1_000, 50_000];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn semver(bencher: Bencher<'_, '_>, size: usize) {
    bench(
        bencher,
        size,
        &policy(StrategyName::Semver, Some(">=1.0.0 <9.0.0")),
    );
}

#[divan::bench(args = SIZES)]
fn semver_behind_filters(bencher: Bencher<'_, '_>, size: usize) {
    let parse = |pattern: &str| pattern.parse().expect("the pattern is valid");
    let filter = Filter {
        allow: Some(r"^v?\d+\.\d+\.\d+$".parse().expect("the pattern is valid")),
        ignore: ["*-rc*", "*-alpha*", "regexp:^0\\."].map(parse).into(),
        extract: None,
    };
    bench(
        bencher,
        size,
        &Policy {
            filter,
            ..policy(StrategyName::Semver, None)
        },
    );
}

#[divan::bench(args = SIZES)]
fn numerical_of_an_extract(bencher: Bencher<'_, '_>, size: usize) {
    let extract = Extract::new(r"^main-[0-9a-f]+-(?P<ts>\d+)$", "$ts").expect("both are valid");
    let filter = Filter {
        extract: Some(extract),
        ..Filter::default()
    };
    bench(
        bencher,
        size,
        &Policy {
            filter,
            ..policy(StrategyName::Numerical, None)
        },
    );
}

#[divan::bench(args = SIZES)]
fn alphabetical(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, size, &policy(StrategyName::Alphabetical, None));
}

#[divan::bench(args = SIZES)]
fn newest_build(bencher: Bencher<'_, '_>, size: usize) {
    bench(bencher, size, &policy(StrategyName::NewestBuild, None));
}

#[divan::bench(args = SIZES)]
fn semver_ranked(bencher: Bencher<'_, '_>, size: usize) {
    let policy = policy(StrategyName::Semver, None);
    let candidates = candidates(size);
    bencher.bench(|| ranked(black_box(&policy), None, black_box(&candidates)).next());
}

/// The whole decision where every image is known: newest build orders all of them.
#[divan::bench(args = SIZES)]
fn newest_build_of_known_images(bencher: Bencher<'_, '_>, size: usize) {
    let policy = policy(StrategyName::NewestBuild, None);
    bench_plan(bencher, size, &policy);
}

/// The best ten images are too young: the selection goes down to the next one.
#[divan::bench(args = SIZES)]
fn semver_with_a_minimum_age(bencher: Bencher<'_, '_>, size: usize) {
    let mut policy = policy(StrategyName::Semver, None);
    policy.checks.minimum_age = Duration::from_hours(1);
    bench_plan(bencher, size, &policy);
}

fn bench_plan(bencher: Bencher<'_, '_>, size: usize, policy: &Policy) {
    let dated = candidates(size);
    let now = Timestamp::from_second(1_700_065_537).expect("this is in 2023");
    let mut looks: BTreeMap<Tag, Look> = dated
        .iter()
        .map(|candidate| (candidate.tag.clone(), look(candidate.created)))
        .collect();
    for young in ranked(policy, None, &dated).take(10) {
        looks.insert(young.tag.clone(), look(Some(now)));
    }
    let candidates: Vec<Candidate> = dated
        .into_iter()
        .map(|candidate| Candidate::new(candidate.tag))
        .collect();
    let repository = "registry.example/app".parse().expect("it is a repository");
    let sightings = Sightings::new(now);
    let image = ImageInput {
        alias: "app",
        repository: &repository,
        kustomize_name: None,
        helm: None,
        plugin: None,
        markers: &[],
        only_live: false,
        policy,
        digest: DigestRule::Never,
        candidates: &candidates,
        settled: None,
        known: Known {
            looks: &looks,
            sightings: &sightings,
            now,
            last: None,
        },
    };
    let path: RepoPath = "kustomization.yaml".parse().expect("it is a path");
    let target = Target {
        folder: None,
        application: None,
        source_images: Vec::new(),
        path: path.to_string(),
        files: vec![path.clone()],
        format: Format::Kustomization,
    };
    let files = Files::from([(path, Some(&b"images: []\n"[..]))]);
    let (images, targets) = ([image], [target]);
    let once = || {
        decide(
            black_box(&images),
            &targets,
            &files,
            &Digests::new(),
            &Past::new(),
        )
    };
    assert_eq!(once().changes().count(), 1, "the bench decides something");
    bencher.bench(once);
}

fn look(created: Option<Timestamp>) -> Look {
    let digest = format!("sha256:{}", "0".repeat(64));
    Look::Found(Image {
        digest: digest.parse().expect("this is a digest"),
        builds: vec![Build {
            platform: "linux/amd64".parse().ok(),
            created,
        }],
    })
}

fn bench(bencher: Bencher<'_, '_>, size: usize, policy: &Policy) {
    let candidates = candidates(size);
    bencher.bench(|| select(black_box(policy), Some("1.2.3"), black_box(&candidates)));
}

fn policy(name: StrategyName, constraint: Option<&str>) -> Policy {
    Policy::new(Strategy::new(name, constraint).expect("the constraint is valid"))
}

fn candidates(size: usize) -> Vec<Candidate> {
    (0..size)
        .map(|number| {
            // A full period of a linear generator: no order, and each number once.
            let mixed = number.wrapping_mul(48_271) % 65_537;
            let (major, minor, patch) = (mixed % 11, mixed / 11 % 53, mixed / 583);
            let text = match number % 5 {
                0 => format!("{major}.{minor}.{patch}"),
                1 => format!("v{major}.{minor}.{patch}-rc.{number}"),
                2 => format!("main-{mixed:07x}-{}", 1_700_000_000 + mixed),
                3 => format!("sha-{mixed:040x}"),
                _ => format!("{major}.{minor}.{patch}-alpine3.{minor}"),
            };
            let second = 1_700_000_000 + i64::try_from(mixed).expect("mixed is below 65,537");
            let created = Timestamp::from_second(second).expect("this is in 2023");
            Candidate::new(text.parse().expect("this is a tag")).created_at(created)
        })
        .collect()
}
