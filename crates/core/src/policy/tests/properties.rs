//! What holds for every policy and every list of tags.

use proptest::prelude::*;

use super::{
    Candidate, Policy, Rejection, Rule, extracting, pinning, policy, ranked, refusing, select,
    select_knowing, tag,
};

fn any_policy() -> impl Strategy<Value = Policy> {
    let strategies = prop_oneof![
        Just("semver"),
        Just("semver >=1.0-0 <8"),
        Just("newest-build"),
        Just("alphabetical"),
        Just("numerical"),
        Just("digest 1.0"),
    ];
    let shape = |(text, allow_downgrade, has_extract, pin): (&str, bool, bool, bool)| {
        let policy = Policy {
            allow_downgrade,
            ..policy(text)
        };
        let policy = if has_extract {
            extracting("^v?([^-]*)", "$1", policy)
        } else {
            policy
        };
        if pin { pinning("1.0", policy) } else { policy }
    };
    (
        strategies,
        any::<bool>(),
        any::<bool>(),
        proptest::bool::weighted(0.1),
    )
        .prop_map(shape)
}

fn any_candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let name = "v?[0-9]{1,2}(\\.[0-9]){0,2}(-[a-c0-9])?";
    let candidate =
        (name, proptest::option::of(0..1_800_000_000_i64)).prop_map(|(name, created)| {
            let created = created.map(|second| {
                jiff::Timestamp::from_second(second).expect("the generator stays in range")
            });
            Candidate {
                tag: tag(&name),
                created,
            }
        });
    // A registry lists a tag once.
    proptest::collection::btree_map("[a-z]{0,1}", candidate, 0..12).prop_map(|by_key| {
        let mut candidates: Vec<_> = by_key.into_values().collect();
        candidates.sort_by(|left, right| left.tag.cmp(&right.tag));
        candidates.dedup_by(|left, right| left.tag == right.tag);
        candidates
    })
}

proptest! {
    /// Registries return tags in any order they like.
    #[test]
    fn order_of_tags_never_matters(
        policy in any_policy(),
        current in "[0-9]\\.[0-9]",
        (tags, shuffled) in any_candidates()
            .prop_flat_map(|tags| (Just(tags.clone()), Just(tags).prop_shuffle())),
    ) {
        let decision = select(&policy, Some(&current), &tags);
        let other = select(&policy, Some(&current), &shuffled);
        prop_assert_eq!(&decision.selected, &other.selected);
        prop_assert_eq!(&decision.reason, &other.reason);
        for rejection in &decision.rejected {
            prop_assert!(other.rejected.contains(rejection));
        }
    }

    #[test]
    fn every_tag_is_selected_or_rejected_once(
        policy in any_policy(),
        current in "[0-9]\\.[0-9]",
        tags in any_candidates(),
    ) {
        let decision = select(&policy, Some(&current), &tags);
        let mut told: Vec<_> = decision.rejected.iter().map(|rejection| &rejection.tag).collect();
        told.extend(&decision.selected);
        told.sort();
        prop_assert_eq!(told, tags.iter().map(|candidate| &candidate.tag).collect::<Vec<_>>());
    }

    /// Otherwise each reconciliation would write again.
    #[test]
    fn what_was_selected_is_selected_again(
        policy in any_policy(),
        current in "[0-9]\\.[0-9]",
        tags in any_candidates(),
    ) {
        if let Some(selected) = select(&policy, Some(&current), &tags).selected {
            let again = select(&policy, Some(selected.as_str()), &tags).selected;
            prop_assert_eq!(again, Some(selected));
        }
    }

    /// The caller may use either way down.
    #[test]
    fn ranked_is_selecting_again_without_the_best(
        policy in any_policy(),
        current in "[0-9]\\.[0-9]",
        tags in any_candidates(),
    ) {
        let mut refused = Vec::new();
        for candidate in ranked(&policy, Some(&current), &tags) {
            let decision = select_knowing(&policy, Some(&current), &tags, &refusing(&refused));
            prop_assert_eq!(decision.selected.as_ref(), Some(&candidate.tag));
            refused.push(Rejection { tag: candidate.tag.clone(), rule: Rule::TooYoung });
        }
        prop_assert_eq!(select_knowing(&policy, Some(&current), &tags, &refusing(&refused)).selected, None);
    }
}
