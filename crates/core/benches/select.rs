//! What a selection costs. The budget: 50,000 tags in 30 ms, 1,000 tags in 1 ms.
//!
//! The tags are made up by a rule that gives each strategy something to do: versions, build
//! numbers, dates, and junk.

use divan::{Bencher, black_box};
use image_update_core::image::Candidate;
use image_update_core::policy::{Extract, Filter, Policy, Strategy, StrategyName, ranked, select};
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
