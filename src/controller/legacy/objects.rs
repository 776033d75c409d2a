//! The objects that an Application's annotations stand for, as they are written, and whether those
//! that are there say the same. Pure.

use std::collections::BTreeMap;

use image_update_core::legacy::{Diagnostic, Severity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::core::ObjectMeta;
use kube::runtime::events::EventType;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::api::v1alpha1::annotations::is_converted;
use crate::api::v1alpha1::{
    ImageUpdatePolicy, ImageWatch, ORIGIN_ANNOTATIONS, ORIGIN_LABEL, Reason, annotations,
};
use crate::controller::applications::Known;
use crate::controller::events::Notice;

/// The API version of Applications.
pub(super) const APPLICATION_API: &str = "argoproj.io/v1alpha1";

/// The kind that owns a converted policy.
pub(super) const APPLICATION_KIND: &str = "Application";

/// The most that a policy's annotation says of problems, in bytes; a condition shows less.
const LONGEST_PROBLEMS_BYTES: usize = 4096;

/// Whether the policy may be deleted: it was made for the Application of its name.
pub(super) fn is_owned(meta: &ObjectMeta) -> bool {
    let mut owners = meta.owner_references.iter().flatten();
    let is_owner = |owner: &OwnerReference| {
        owner.kind == APPLICATION_KIND && Some(&owner.name) == meta.name.as_ref()
    };
    is_converted(meta) && owners.any(is_owner)
}

/// What was last written to the object, as one word.
pub(super) fn mark(meta: &ObjectMeta) -> Option<&str> {
    annotations::annotation(meta, annotations::CONVERTED)
}

/// The watch as it is written.
pub(super) fn marked_watch(mut watch: ImageWatch) -> ImageWatch {
    let mark = mark_of(&watch.spec);
    stamp(&mut watch.metadata, mark);
    watch
}

/// The policy as it is written: owned by its Application, and marked with what was told about it, so
/// that a restart does not tell it again.
pub(super) fn marked_policy(
    mut policy: ImageUpdatePolicy,
    known: &Known,
    problems: &[Diagnostic],
) -> ImageUpdatePolicy {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let mark = mark_of(&(&policy.spec, &known.uid, texts));
    stamp(&mut policy.metadata, mark);
    if !problems.is_empty() {
        let mut text = sentences(problems);
        text.truncate(text.floor_char_boundary(LONGEST_PROBLEMS_BYTES));
        let all = policy.metadata.annotations.get_or_insert_default();
        all.insert(annotations::PROBLEMS.to_owned(), text);
    }
    policy.metadata.owner_references = Some(vec![OwnerReference {
        api_version: APPLICATION_API.to_owned(),
        kind: APPLICATION_KIND.to_owned(),
        name: known.facts.name.clone(),
        uid: known.uid.clone(),
        block_owner_deletion: None,
        controller: None,
    }]);
    policy
}

fn stamp(meta: &mut ObjectMeta, mark: String) {
    meta.labels = Some(BTreeMap::from([(
        ORIGIN_LABEL.to_owned(),
        ORIGIN_ANNOTATIONS.to_owned(),
    )]));
    meta.annotations = Some(BTreeMap::from([(annotations::CONVERTED.to_owned(), mark)]));
}

/// Equal for what is equal; short, because it is only compared with what stood there before.
fn mark_of(written: &impl Serialize) -> String {
    let text = serde_json::to_vec(written).unwrap_or_default();
    let hash = <[u8; 32]>::from(Sha256::digest(&text));
    let start = hash.first_chunk().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(start))
}

/// Whether an object that is there needs no write: it was made from the same, and everything that
/// was written is there still. What others added is theirs.
pub(super) fn is_current<S: Serialize>(
    (found, found_spec): (&ObjectMeta, &S),
    (wanted, wanted_spec): (&ObjectMeta, &S),
) -> bool {
    let json = |spec: &S| serde_json::to_value(spec).unwrap_or_default();
    let owners = |meta: &ObjectMeta| meta.owner_references.clone().unwrap_or_default();
    is_converted(found)
        && mark(found) == mark(wanted)
        && annotations::annotation(found, annotations::PROBLEMS)
            == annotations::annotation(wanted, annotations::PROBLEMS)
        && owners(wanted)
            .iter()
            .all(|owner| owners(found).iter().any(|it| it.uid == owner.uid))
        && holds(&json(found_spec), &json(wanted_spec))
}

/// Whether `found` has all that `wanted` has.
fn holds(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted
            .iter()
            .all(|(key, wanted)| found.get(key).is_some_and(|found| holds(found, wanted))),
        (Value::Array(found), Value::Array(wanted)) => {
            found.len() == wanted.len()
                && found
                    .iter()
                    .zip(wanted)
                    .all(|(found, wanted)| holds(found, wanted))
        }
        (found, wanted) => found == wanted,
    }
}

/// What to tell of the annotations' problems; nothing if there are none.
pub(super) fn notice(problems: &[Diagnostic]) -> Option<Notice> {
    let type_ = match problems {
        [] => return None,
        problems if problems.iter().any(is_error) => EventType::Warning,
        _ => EventType::Normal,
    };
    Some(Notice {
        type_,
        reason: Reason::InvalidAnnotations,
        action: "Convert",
        note: sentences(problems),
    })
}

fn is_error(problem: &Diagnostic) -> bool {
    problem.problem.severity() == Severity::Error
}

/// The problems and what helps, a line each. Errors come first, because notes are cut.
fn sentences(problems: &[Diagnostic]) -> String {
    let told = |it: &Diagnostic| format!("{it}; {}", it.problem.hint());
    let (errors, warnings): (Vec<_>, Vec<_>) = problems.iter().partition(|it| is_error(it));
    let sentences: Vec<String> = errors.into_iter().chain(warnings).map(told).collect();
    sentences.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(found: &Value, wanted: &Value, expected: bool) {
        assert_eq!(holds(found, wanted), expected, "{found} {wanted}");
    }

    #[test]
    fn what_others_added_is_theirs_and_what_they_changed_is_not() {
        let wanted = json!({"a": 1, "list": [{"b": 2}]});
        check(&wanted, &wanted, true);
        check(
            &json!({"a": 1, "list": [{"b": 2, "c": 3}], "d": 4}),
            &wanted,
            true,
        );
        check(&json!({"a": 2, "list": [{"b": 2}]}), &wanted, false);
        check(&json!({"a": 1, "list": []}), &wanted, false);
        check(
            &json!({"a": 1, "list": [{"b": 2}, {"b": 3}]}),
            &wanted,
            false,
        );
        check(&json!({"a": 1}), &wanted, false);
    }

    #[test]
    fn a_policy_is_deleted_only_if_it_was_made_for_the_application_of_its_name() {
        let check = |label: &str, kind: &str, owner: &str, expected: bool| {
            let meta: ObjectMeta = serde_json::from_value(json!({
                "name": "shop",
                "labels": {ORIGIN_LABEL: label},
                "ownerReferences": [
                    {"apiVersion": APPLICATION_API, "kind": kind, "name": owner, "uid": "1"},
                ],
            }))
            .expect("the row is metadata");
            assert_eq!(is_owned(&meta), expected, "{label} {kind} {owner}");
        };
        check(ORIGIN_ANNOTATIONS, APPLICATION_KIND, "shop", true);
        check(ORIGIN_ANNOTATIONS, APPLICATION_KIND, "other", false);
        check(ORIGIN_ANNOTATIONS, "Deployment", "shop", false);
        check("hand", APPLICATION_KIND, "shop", false);
    }
}
