//! Which shard a policy belongs to. Pure: every replica that knows the same policies comes to the
//! same answer.
//!
//! Policies that share a target are in one shard, directly or through others, so that each target
//! has one writer. A shard is found by a hash of what they share; so a policy that comes or goes
//! moves none but those it shares something with.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::Key;

/// What a policy writes to; each target by a text that is that of no other.
#[derive(Debug)]
pub(super) struct Targets {
    /// The policy.
    pub(super) policy: Key,
    /// Its targets. One without any is alone.
    pub(super) targets: Vec<String>,
}

/// The shard of each policy, of `shards` that there are.
pub(super) fn assign(policies: &[Targets], shards: u32) -> BTreeMap<Key, u32> {
    let mut groups = Groups::default();
    for policy in policies {
        let mut targets = policy.targets.iter();
        if let Some(first) = targets.next() {
            let first = groups.index(first);
            for other in targets {
                let other = groups.index(other);
                groups.join(first, other);
            }
        }
    }
    let smallest = groups.smallest();
    let shard = |policy: &Targets| match policy.targets.first() {
        Some(target) => {
            let index = groups.indexes.get(target.as_str()).copied();
            let name = index.map_or(target.as_str(), |index| smallest[index]);
            shard_of(name, shards)
        }
        None => shard_of_object(&policy.policy, shards),
    };
    let assigned = policies.iter();
    assigned
        .map(|policy| (policy.policy.clone(), shard(policy)))
        .collect()
}

/// The shard of an object that has nothing to do with a target.
pub(super) fn shard_of_object((namespace, name): &Key, shards: u32) -> u32 {
    shard_of(&format!("{namespace}/{name}"), shards)
}

/// Not the hasher of the standard library, which may be another one in the next version.
fn shard_of(name: &str, shards: u32) -> u32 {
    let hash = Sha256::digest(name.as_bytes());
    let first = hash.iter().take(8);
    let number = first.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    u32::try_from(number % u64::from(shards.max(1))).unwrap_or_default()
}

/// Targets that belong together.
#[derive(Default)]
struct Groups<'a> {
    indexes: BTreeMap<&'a str, usize>,
    /// Of each target another one of its group; itself, if it stands for the group.
    parents: Vec<usize>,
}

impl<'a> Groups<'a> {
    fn index(&mut self, target: &'a str) -> usize {
        let next = self.parents.len();
        let index = *self.indexes.entry(target).or_insert(next);
        if index == next {
            self.parents.push(next);
        }
        index
    }

    fn root(&mut self, mut index: usize) -> usize {
        while self.parents[index] != index {
            self.parents[index] = self.parents[self.parents[index]];
            index = self.parents[index];
        }
        index
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.root(one), self.root(other));
        self.parents[other] = one;
    }

    /// The smallest target of the group of each.
    fn smallest(&mut self) -> Vec<&'a str> {
        let mut of_root: BTreeMap<usize, &str> = BTreeMap::new();
        let mut names = vec![""; self.parents.len()];
        // In the order of the alphabet, so the first of a group is its smallest.
        let indexes: Vec<_> = self.indexes.iter().map(|(name, at)| (*name, *at)).collect();
        for (name, index) in indexes {
            let root = self.root(index);
            names[index] = of_root.entry(root).or_insert(name);
        }
        names
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::*;

    fn targets(policies: &[(&str, &[&str])]) -> Vec<Targets> {
        let row = |(name, targets): &(&str, &[&str])| Targets {
            policy: ("team".to_owned(), (*name).to_owned()),
            targets: targets.iter().map(ToString::to_string).collect(),
        };
        policies.iter().map(row).collect()
    }

    /// The shards of these policies, in their order.
    fn shards(policies: &[(&str, &[&str])], count: u32) -> Vec<u32> {
        let assigned = assign(&targets(policies), count);
        let names = policies.iter();
        names
            .map(|(name, _)| assigned[&("team".to_owned(), (*name).to_owned())])
            .collect()
    }

    #[test]
    fn what_shares_a_target_is_in_one_shard_directly_or_through_others() {
        let found = shards(
            &[
                ("a", &["x", "y"]),
                ("b", &["y", "z"]),
                ("c", &["z"]),
                ("d", &["x"]),
            ],
            64,
        );
        assert_eq!(found, vec![found[0]; 4]);
    }

    #[test]
    fn shards_are_the_same_in_every_version() {
        let found = shards(&[("a", &["https://git.example/env main"]), ("b", &[])], 16);
        assert_eq!(found, [1, 0]);
    }

    #[test]
    fn many_targets_are_spread_evenly() {
        let names: Vec<String> = (0..4000).map(|number| format!("target {number}")).collect();
        let mut counts = [0_u32; 4];
        for name in &names {
            counts[shard_of(name, 4) as usize] += 1;
        }
        assert!(
            counts.iter().all(|it| (900..1100).contains(it)),
            "{counts:?}"
        );
    }

    fn policies() -> impl Strategy<Value = Vec<Targets>> {
        let targets = btree_set("[a-h]", 0..4);
        vec(targets, 0..20).prop_map(|policies| {
            let row = |(number, targets): (usize, std::collections::BTreeSet<String>)| Targets {
                policy: ("team".to_owned(), number.to_string()),
                targets: targets.into_iter().collect(),
            };
            policies.into_iter().enumerate().map(row).collect()
        })
    }

    proptest! {
        #[test]
        fn no_target_has_two_shards_and_the_order_does_not_matter(
            policies in policies(), shards in 1_u32..9
        ) {
            let assigned = assign(&policies, shards);
            let mut of_target = BTreeMap::new();
            for policy in &policies {
                let shard = assigned[&policy.policy];
                prop_assert!(shard < shards);
                for target in &policy.targets {
                    prop_assert_eq!(*of_target.entry(target).or_insert(shard), shard);
                }
            }
            let reversed: Vec<Targets> = policies.into_iter().rev().collect();
            prop_assert_eq!(assign(&reversed, shards), assigned);
        }
    }
}
