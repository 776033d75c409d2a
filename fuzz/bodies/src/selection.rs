//! What users write to have a tag chosen, and a message rendered.

use image_update_core::duration;
use image_update_core::image::{Candidate, Tag};
use image_update_core::message::MessageTemplate;
use image_update_core::policy::{
    Extract, Glob, Order, Pattern, Policy, Regexp, Strategy, parse_allow_tags, select,
};
use image_update_core::template::{BranchTemplate, ImageChange, TemplateData};
use image_update_core::version::{Constraint, Version};

use super::{text, two};

/// A constraint, and behind it versions to check: every tag is selected or rejected, in any order.
pub(super) fn constraints(bytes: &[u8]) {
    let Some((constraint, tags)) = two(bytes) else {
        return;
    };
    drop(duration::parse(constraint));
    let Ok(constraint) = constraint.parse::<Constraint>() else {
        return;
    };
    for version in tags.lines().filter_map(|tag| Version::parse(tag).ok()) {
        _ = constraint.check(&version);
    }
    decide(Strategy::Semver(constraint), tags);
    decide(Strategy::Numerical(Order::Ascending), tags);
    decide(Strategy::Alphabetical(Order::Descending), tags);
}

fn decide(strategy: Strategy, tags: &str) {
    let policy = Policy::new(strategy);
    let tags = tags.lines().filter_map(|tag| tag.parse::<Tag>().ok());
    let mut candidates: Vec<Candidate> = tags.map(Candidate::new).collect();
    let there = select(&policy, None, &candidates);
    candidates.reverse();
    let back = select(&policy, None, &candidates);
    assert_eq!(there.selected, back.selected);
    candidates.sort_by(|a, b| a.tag.cmp(&b.tag));
    candidates.dedup_by(|a, b| a.tag == b.tag);
    let decision = select(&policy, None, &candidates);
    let selected = usize::from(decision.selected.is_some());
    assert_eq!(decision.rejected.len() + selected, candidates.len());
}

/// A pattern, and behind it texts to match.
pub(super) fn patterns(bytes: &[u8]) {
    let Some((pattern, texts)) = two(bytes) else {
        return;
    };
    if let Ok(regexp) = pattern.parse::<Regexp>() {
        texts.lines().for_each(|text| _ = regexp.is_match(text));
    }
    if let Ok(glob) = pattern.parse::<Glob>() {
        texts.lines().for_each(|text| _ = glob.matches(text));
    }
    drop(pattern.parse::<Pattern>());
    drop(parse_allow_tags(pattern));
}

/// A pattern with groups, what to make of them, and texts.
pub(super) fn extract(bytes: &[u8]) {
    let Some((pattern, rest)) = two(bytes) else {
        return;
    };
    let (value, texts) = rest.split_once('\n').unwrap_or((rest, ""));
    if let Ok(extract) = Extract::new(pattern, value) {
        texts.lines().for_each(|text| drop(extract.apply(text)));
    }
}

/// A template of a message or a branch: what renders ends, and is bounded.
pub(super) fn templates(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let changes = [ImageChange {
        image: "ghcr.io/org/app".to_owned(),
        name: "org/app".to_owned(),
        alias: "web".to_owned(),
        old: Some("1.0.0".to_owned()),
        new: "1.1.0".to_owned(),
    }];
    let data = TemplateData {
        app_name: "shop",
        app_namespace: "argocd",
        changes: &changes,
        target_key: "0123456789abcdef",
    };
    if let Ok(template) = MessageTemplate::checked(text) {
        drop(template.render(&data));
    }
    if let Ok(template) = BranchTemplate::checked(text) {
        drop(template.render(&data));
    }
}
