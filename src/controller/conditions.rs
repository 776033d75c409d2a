//! Conditions by the kstatus rules: `Ready` always, `Reconciling` and `Stalled` only while true.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use crate::api::v1alpha1::Reason;

/// `Ready`, `Reconciling` and `Stalled`, as they stand after a reconciliation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Whether all is well, and what happens next if not.
    pub(super) health: Health,
    /// Why.
    pub(super) reason: Reason,
    /// The same in a short line.
    pub(super) message: String,
}

/// Whether all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// All is well.
    Ready,
    /// Not well, and nothing is being tried: the world has to change.
    Waiting,
    /// Not well, and it is tried again.
    Retrying,
    /// Not well, and it stays so until somebody changes the object or what it refers to.
    Stalled,
}

impl Health {
    /// The outcome of a reconciliation, as metrics have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Retrying => "retrying",
            Self::Stalled => "stalled",
        }
    }
}

/// The longest message of a condition, in characters: Kubernetes allows 32,768 bytes.
const LONGEST_MESSAGE: usize = 1024;

/// The longest of a verdict, in characters: it is a column of `kubectl get`. Event and log have
/// what is cut.
const LONGEST_VERDICT: usize = 250;

/// The conditions of `verdict`, with transition times carried over from `previous`.
///
/// `lastTransitionTime` moves only when a condition's `status` moves, as the API conventions
/// want it. `observedGeneration` stands on each condition.
pub(super) fn merge(
    previous: &[Condition],
    verdict: &Verdict,
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let ready = matches!(verdict.health, Health::Ready);
    let mut fresh = vec![("Ready", ready)];
    match verdict.health {
        Health::Ready | Health::Waiting => {}
        Health::Retrying => fresh.push(("Reconciling", true)),
        Health::Stalled => fresh.push(("Stalled", true)),
    }
    let condition = |(type_, status): (&str, bool)| {
        let status = if status { "True" } else { "False" };
        let unchanged = previous
            .iter()
            .find(|before| before.type_ == type_ && before.status == status);
        Condition {
            last_transition_time: unchanged
                .map_or(Time(now), |before| before.last_transition_time.clone()),
            message: cut(&verdict.message, LONGEST_VERDICT),
            observed_generation: generation,
            reason: verdict.reason.as_str().to_owned(),
            status: status.to_owned(),
            type_: type_.to_owned(),
        }
    };
    fresh.into_iter().map(condition).collect()
}

/// The condition of a policy whose annotations, which it was made from, have `problems`. It is there
/// only as long as they have some.
pub(super) fn invalid_annotations(
    previous: &[Condition],
    problems: Option<&str>,
    generation: Option<i64>,
    now: Timestamp,
) -> Option<Condition> {
    let reason = Reason::InvalidAnnotations.as_str();
    let before = previous.iter().find(|before| before.type_ == reason);
    Some(Condition {
        last_transition_time: before.map_or(Time(now), |it| it.last_transition_time.clone()),
        message: shorten(problems?),
        observed_generation: generation,
        reason: reason.to_owned(),
        status: "True".to_owned(),
        type_: reason.to_owned(),
    })
}

/// Cuts a message that is too long for a condition, at a character's end.
pub(super) fn shorten(message: &str) -> String {
    cut(message, LONGEST_MESSAGE)
}

fn cut(message: &str, longest: usize) -> String {
    match message.char_indices().nth(longest) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}…", &message[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(health: Health, reason: Reason) -> Verdict {
        Verdict {
            health,
            reason,
            message: "text".to_owned(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a small number of seconds is a time")
    }

    fn types(conditions: &[Condition]) -> Vec<(&str, &str)> {
        conditions
            .iter()
            .map(|c| (c.type_.as_str(), c.status.as_str()))
            .collect()
    }

    #[test]
    fn only_ready_stands_when_all_is_well() {
        let merged = merge(
            &[],
            &verdict(Health::Ready, Reason::Succeeded),
            Some(1),
            at(1),
        );
        assert_eq!(types(&merged), [("Ready", "True")]);
    }

    #[test]
    fn a_retry_is_reconciling_and_a_stall_is_stalled() {
        let retry = merge(
            &[],
            &verdict(Health::Retrying, Reason::GitUnavailable),
            None,
            at(1),
        );
        assert_eq!(types(&retry), [("Ready", "False"), ("Reconciling", "True")]);
        let stall = merge(
            &retry,
            &verdict(Health::Stalled, Reason::InvalidSpec),
            None,
            at(2),
        );
        assert_eq!(types(&stall), [("Ready", "False"), ("Stalled", "True")]);
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let first = merge(
            &[],
            &verdict(Health::Retrying, Reason::GitUnavailable),
            Some(1),
            at(1),
        );
        let other_reason = merge(
            &first,
            &verdict(Health::Retrying, Reason::LostRace),
            Some(2),
            at(2),
        );
        assert_eq!(other_reason[0].last_transition_time, Time(at(1)));
        assert_eq!(other_reason[0].observed_generation, Some(2));
        let well = merge(
            &other_reason,
            &verdict(Health::Ready, Reason::Succeeded),
            Some(2),
            at(3),
        );
        assert_eq!(well[0].last_transition_time, Time(at(3)));
    }

    #[test]
    fn merging_twice_changes_nothing() {
        let once = merge(
            &[],
            &verdict(Health::Stalled, Reason::Conflict),
            Some(1),
            at(1),
        );
        let twice = merge(
            &once,
            &verdict(Health::Stalled, Reason::Conflict),
            Some(1),
            at(9),
        );
        assert_eq!(once, twice);
    }

    #[test]
    fn problems_of_annotations_stand_as_long_as_there_are_some() {
        let first = invalid_annotations(&[], Some("typo"), Some(1), at(1));
        let first = first.expect("there is a problem");
        assert_eq!(
            (first.status.as_str(), first.message.as_str()),
            ("True", "typo")
        );
        let other = invalid_annotations(std::slice::from_ref(&first), Some("other"), None, at(2));
        let other = other.expect("there is a problem");
        assert_eq!(other.last_transition_time, Time(at(1)));
        assert_eq!(invalid_annotations(&[other], None, None, at(3)), None);
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let long = "é".repeat(LONGEST_MESSAGE + 5);
        assert_eq!(shorten(&long).chars().count(), LONGEST_MESSAGE + 1);
    }
}
