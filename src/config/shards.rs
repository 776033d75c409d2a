//! Settings of several operators that share the work.

use clap::Args;
use kube::core::Selector;

use super::selector::{self, SelectorError};

/// The most shards there can be.
const MOST_SHARDS: i64 = 256;

/// Settings of shards.
#[derive(Args, Clone, Debug)]
pub struct ShardConfig {
    /// Policies that this operator works for, by their labels, such as `team=a` or
    /// `tier in (web,api)`; others are left to other operators, which need other selectors. The
    /// status of a watch is written by the operator that selects the watch itself. Unset: all.
    #[arg(
        long,
        env = "IMAGE_UPDATE_SHARD_SELECTOR",
        value_name = "SELECTOR",
        value_parser = selector
    )]
    pub shard_selector: Option<Selector>,

    /// How many shards the policies are divided into, from 1 to 256. Policies that write to the
    /// same branch of a repository, or to the same Application, are in the same one. Annotations
    /// are converted by the first.
    #[arg(
        long,
        env = "IMAGE_UPDATE_SHARDS",
        value_name = "COUNT",
        default_value_t = 1,
        value_parser = clap::value_parser!(u32).range(1..=MOST_SHARDS)
    )]
    pub shards: u32,

    /// The shard that this operator works for: a number from 0, or `auto` for the number at the end
    /// of the pod's name in a `StatefulSet`, which may have replicas that stand by. `auto` elsewhere
    /// is whichever shard has no leader, and takes leader election.
    #[arg(
        long,
        env = "IMAGE_UPDATE_SHARD_INDEX",
        value_name = "INDEX",
        default_value = "auto",
        value_parser = index
    )]
    pub shard_index: ShardIndex,
}

/// Which shard an operator works for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShardIndex {
    /// As the pod's name or a Lease says.
    Auto,
    /// This one.
    Number(u32),
}

impl ShardConfig {
    /// All of the work.
    pub fn whole() -> Self {
        Self {
            shard_selector: None,
            shards: 1,
            shard_index: ShardIndex::Auto,
        }
    }

    /// The shard, as far as settings and the pod's name tell; nothing if a Lease has to.
    pub fn index(&self, pod_name: Option<&str>) -> Option<u32> {
        match self.shard_index {
            ShardIndex::Number(number) => Some(number),
            ShardIndex::Auto if self.shards == 1 => Some(0),
            ShardIndex::Auto => Some(ordinal(pod_name?)? % self.shards),
        }
    }
}

/// The number of a pod of a `StatefulSet`, from its name. Those of Deployments end in five characters
/// that may all be digits, so a number has fewer.
fn ordinal(pod_name: &str) -> Option<u32> {
    const MOST_DIGITS: usize = 4;
    let (_, number) = pod_name.rsplit_once('-')?;
    let is_number = number.len() <= MOST_DIGITS && number.bytes().all(|it| it.is_ascii_digit());
    number.parse().ok().filter(|_| is_number)
}

fn selector(text: &str) -> Result<Selector, SelectorError> {
    selector::parse(text)
}

fn index(text: &str) -> Result<ShardIndex, &'static str> {
    if text == "auto" {
        return Ok(ShardIndex::Auto);
    }
    let number = text.parse().map_err(|_| "write a number from 0, or auto")?;
    Ok(ShardIndex::Number(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(index_text: &str, shards: u32, pod_name: Option<&str>, expected: Option<u32>) {
        let config = ShardConfig {
            shard_selector: None,
            shards,
            shard_index: index(index_text).expect("the row is an index"),
        };
        assert_eq!(
            config.index(pod_name),
            expected,
            "{index_text} {pod_name:?}"
        );
    }

    #[test]
    fn the_shard_is_what_was_said_else_the_pods_number() {
        check("2", 3, Some("operator-1"), Some(2));
        check("auto", 3, Some("operator-1"), Some(1));
        check("auto", 3, Some("operator-4"), Some(1));
        check("auto", 1, None, Some(0));
        check("auto", 3, None, None);
        check("auto", 3, Some("operator"), None);
    }

    #[test]
    fn pods_of_deployments_have_no_number() {
        check("auto", 3, Some("operator-6b8f9d7c4-24567"), None);
        check("auto", 3, Some("operator-6b8f9d7c4-x2b7q"), None);
        check("auto", 3, Some("operator-+1"), None);
    }

    #[test]
    fn an_index_is_a_number_or_auto() {
        assert_eq!(index("-1"), Err("write a number from 0, or auto"));
        assert_eq!(index("first"), Err("write a number from 0, or auto"));
    }
}
