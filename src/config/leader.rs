//! Settings of several operators that share the work, or stand by for each other.

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::{ArgAction, Args};
use image_update_core::duration::{self, DurationError};

use super::{is_in_cluster, variable};

/// Settings of leader election.
#[derive(Args, Clone, Debug)]
pub struct LeaderConfig {
    /// Whether only one of several replicas works while the others stand by, ready to go on at
    /// once: who holds the Lease works. Unset: yes inside of a cluster, no outside.
    #[arg(
        long,
        env = "IMAGE_UPDATE_LEADER_ELECT",
        value_name = "BOOL",
        action = ArgAction::Set,
        default_missing_value = "true",
        num_args = 0..=1,
        require_equals = true
    )]
    pub leader_elect: Option<bool>,

    /// The namespace of the Lease. Unset: the operator's own, or that of the kubeconfig.
    #[arg(
        long,
        env = "IMAGE_UPDATE_LEADER_ELECTION_NAMESPACE",
        value_name = "NAMESPACE"
    )]
    pub leader_election_namespace: Option<String>,

    /// How long a Lease holds that is not renewed, from `3s` to `10m`: so long nobody works after
    /// a leader was killed. One that could not renew it for two thirds of that ends.
    #[arg(
        long,
        env = "IMAGE_UPDATE_LEADER_ELECTION_LEASE_DURATION",
        value_name = "DURATION",
        default_value = "15s",
        value_parser = lease_duration
    )]
    pub leader_election_lease_duration: Duration,
}

impl LeaderConfig {
    /// Whether there is an election. In a cluster another pod may be started beside this one
    /// before it ends.
    pub fn elects(&self) -> bool {
        self.leader_elect.unwrap_or_else(is_in_cluster)
    }
}

/// The name of this pod, or of this machine; nothing if neither is known.
pub fn pod_name() -> Option<String> {
    let name = variable("POD_NAME").or_else(|| variable("HOSTNAME"))?;
    Some(name.as_str().to_owned())
}

/// Why a duration can't be that of a Lease.
#[derive(Debug, thiserror::Error)]
enum LeaseDurationError {
    #[error(transparent)]
    Duration(DurationError),
    #[error("it is at least 3s and at most 10m, in whole seconds")]
    Range,
}

fn lease_duration(text: &str) -> Result<Duration, LeaseDurationError> {
    const RANGE: RangeInclusive<Duration> = Duration::from_secs(3)..=Duration::from_mins(10);
    let read = duration::parse(text).map_err(LeaseDurationError::Duration)?;
    if !RANGE.contains(&read) || read.subsec_nanos() != 0 {
        return Err(LeaseDurationError::Range);
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        let seconds = lease_duration(text).ok().map(|it| it.as_secs());
        assert_eq!(seconds, expected, "{text}");
    }

    #[test]
    fn a_lease_holds_for_seconds_to_minutes() {
        check("3s", Some(3));
        check("15s", Some(15));
        check("10m", Some(600));
        check("2s", None);
        check("11m", None);
        check("3500ms", None);
        check("soon", None);
    }
}
