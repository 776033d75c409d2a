//! What each reason means for the one who reads it: the meaning is its doc comment, what the
//! operator does and what helps stand here. A reason without an entry does not compile.

use std::fmt::Write as _;

use schemars::schema_for;
use serde_json::Value;

use crate::api::v1alpha1::Reason;

/// Which kind's page a reason stands on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// ImageWatch.
    Watch,
    /// ImageUpdatePolicy.
    Policy,
    /// Both.
    Both,
}

/// What the operator does and what helps.
struct Guide {
    scope: Scope,
    then: &'static str,
    advice: &'static str,
}

/// The table of the reasons that a kind can have.
pub(super) fn table(scope: Scope) -> String {
    let mut text =
        String::from("| Reason | Meaning | The operator | What helps |\n|---|---|---|---|\n");
    for (reason, meaning) in all() {
        let guide = guide(reason);
        if guide.scope == scope || guide.scope == Scope::Both {
            // Writing to a String does not fail.
            writeln!(
                text,
                "| `{}` | {meaning} | {} | {} |",
                reason.as_str(),
                guide.then,
                guide.advice
            )
            .ok();
        }
    }
    text
}

/// Every reason with its doc comment, in the order of the code.
fn all() -> Vec<(Reason, String)> {
    let schema = schema_for!(Reason).to_value();
    let variants = schema["oneOf"].as_array().cloned().unwrap_or_default();
    let read = |variant: &Value| {
        let reason = serde_json::from_value(variant["const"].clone()).ok()?;
        let meaning = variant["description"].as_str()?.replace('\n', " ");
        Some((reason, meaning))
    };
    variants.iter().filter_map(read).collect()
}

// Each begins with the condition that is true beside a false `Ready`, if there is one;
// `tests/it/controller/bad_input.rs` compares that with what the operator does.
const COMPARES: &str = "compares at its interval";
const RETRIES: &str = "`Reconciling`: tries again, with growing pauses";
const RETURNS: &str = "`Reconciling`: comes back when it was told to, within the hour";
const WAITS: &str = "`Reconciling`: goes on by itself once that changes";
const LOOKS: &str = "looks again at its interval, and when tags or the object change";
const STALLS: &str = "`Stalled`: looks again at its interval, and when the object changes";

/// Every reason, by hand; the compiler misses none.
#[expect(clippy::too_many_lines, reason = "a table, one row a reason")]
fn guide(reason: Reason) -> Guide {
    use Scope::{Both, Policy};
    let (scope, then, advice) = match reason {
        Reason::Succeeded => (Both, "goes on at its interval", ""),
        Reason::Suspended => (
            Both,
            "does nothing",
            "Set `spec.suspend` to `false`, or say `resume NAME` if an annotation suspends it.",
        ),
        Reason::Updated => (
            Policy,
            COMPARES,
            "It is the reason of the event that tells of a commit.",
        ),
        Reason::DryRun => (
            Policy,
            "decides and writes nothing",
            "Set `spec.dryRun` to `false` to write.",
        ),
        Reason::Progressing => (
            Policy,
            "is at it",
            "It stands on images only. Wait a moment.",
        ),
        Reason::InvalidSpec => (
            Both,
            STALLS,
            "The message names the field, the value and the way out.",
        ),
        Reason::Undecodable => (
            Both,
            "`Stalled`: looks again soon, and when the object changes",
            "The object was stored under another schema. Apply it again with the installed CRDs.",
        ),
        Reason::SecretNotFound => (
            Both,
            RETRIES,
            "Create the Secret in the object's own namespace.",
        ),
        Reason::InvalidSecret => (
            Both,
            RETRIES,
            "The message names the key. See the `secretRef` field for the keys that are read.",
        ),
        Reason::ClusterAccessFailed => (
            Both,
            RETRIES,
            "Check the operator's RBAC and the API server.",
        ),
        Reason::WatchNotFound => (
            Policy,
            WAITS,
            "Create the ImageWatch, or correct `watchRef`.",
        ),
        Reason::AccessDenied => (
            Policy,
            STALLS,
            "The watch's owner has to name this namespace's labels in `accessFrom`. A watch that is \
             not there looks the same from another namespace. A policy that selects Applications of \
             other namespaces has to be in that of Argo CD.",
        ),
        Reason::CredentialsDenied => (
            Policy,
            "`Stalled`: waits for a change of the policy; `Reconciling` where a remote is at fault, which is tried again",
            "`credentials.argocd` is for policies of Argo CD's namespace, of others with `--argocd-credentials=all`; and the AppProject has to permit the repository and the Application's namespace. A Secret is for `repository`, for what is below its key `url`, or for one server.",
        ),
        Reason::WatchNotReady => (
            Policy,
            WAITS,
            "Look at the watch: `kubectl get imagewatch`. One that is suspended has no tags after a \
             restart of the operator.",
        ),
        Reason::HostNotAllowed => (
            Both,
            STALLS,
            "Use a host that the operator's `--allowed-hosts` permits, or have it added.",
        ),
        Reason::RegistryUnauthorized => (
            Both,
            RETRIES,
            "Check the credential of the watch. Registries answer so for repositories that are not there, too.",
        ),
        Reason::RegistryForbidden => (
            Both,
            RETRIES,
            "The credential is right and may not read this repository.",
        ),
        Reason::RepositoryNotFound => (Both, RETRIES, "Check the spelling of `spec.image`."),
        Reason::TagNotFound => (
            Policy,
            RETRIES,
            "The tag was there when the repository was listed. Check whether it was deleted.",
        ),
        Reason::RegistryRateLimited => (
            Both,
            RETURNS,
            "Scan less often, or with a credential that has a higher limit.",
        ),
        Reason::RegistryUnavailable => (
            Both,
            RETRIES,
            "The last list of tags stays in use. Check the registry and the network.",
        ),
        Reason::RegistryCertificateInvalid => (
            Both,
            RETRIES,
            "Give the authority's certificate by `certSecretRef`.",
        ),
        Reason::RegistryInvalidResponse => (
            Both,
            RETRIES,
            "The last list of tags stays in use. The message says what is wrong with the answer.",
        ),
        Reason::NoCandidate => (
            Policy,
            LOOKS,
            "Loosen the filters or the constraint; the message says what most tags failed.",
        ),
        Reason::TooYoung => (
            Policy,
            "looks again when the tag is old enough",
            "Wait, or pin the tag. It stands beside a true `Ready`: waiting is what was asked for.",
        ),
        Reason::PlatformMissing => (
            Policy,
            LOOKS,
            "Build the image for the platform that the message names, or take it from `platforms`.",
        ),
        Reason::DowngradeRefused => (
            Policy,
            LOOKS,
            "The target has a higher tag than any that passes. Set `allowDowngrade` if that is meant.",
        ),
        Reason::GitUnauthorized => (
            Policy,
            RETRIES,
            "Check the Secret of `credentials.secretRef`.",
        ),
        Reason::GitForbidden => (
            Policy,
            RETRIES,
            "The credential is right and may not do this. It needs to read and to push. Over SSH, a \
             missing repository looks the same.",
        ),
        Reason::GitRepositoryNotFound => (
            Policy,
            RETRIES,
            "Check `repository`. Git hosts answer so for private repositories without a credential, too.",
        ),
        Reason::BranchNotFound => (Policy, STALLS, "Create the branch, or correct `branch`."),
        Reason::GitUnavailable => (Policy, RETRIES, "Check the git host and the network."),
        Reason::GitRateLimited => (
            Policy,
            RETURNS,
            "Share a repository between fewer policies, or raise the host's limit.",
        ),
        Reason::GitCertificateInvalid => (
            Policy,
            RETRIES,
            "Put the authority's certificate into the Secret, as `ca.crt`.",
        ),
        Reason::GitHostKeyInvalid => (
            Policy,
            RETRIES,
            "Nothing was sent. Compare the fingerprint of the message with the server's own, and put \
             its line into `known_hosts` of the Secret.",
        ),
        Reason::GitInvalidResponse => (
            Policy,
            "`Reconciling`: tries again, with growing pauses; `Stalled` after a redirect to another address",
            "The message says what is wrong with the answer. A proxy or a login page is a common cause.",
        ),
        Reason::ForeignCommits => (
            Policy,
            STALLS,
            "Merge the base into the branch, merge the branch, or delete it.",
        ),
        Reason::RevertedInGit | Reason::RevertedInApplication => (
            Policy,
            LOOKS,
            "Wait for a newer tag, change the spec, pin the tag, or give the annotation \
             `image-update.dev/release` a new value.",
        ),
        Reason::PushRejected => (
            Policy,
            STALLS,
            "The message has the host's words. Let the operator's account push to the branch.",
        ),
        Reason::LostRace => (
            Policy,
            RETRIES,
            "Others push to the branch all the time; it goes on by itself.",
        ),
        Reason::TargetNotFound => (
            Policy,
            LOOKS,
            "Check the target's `path`; the message says which files were looked for.",
        ),
        Reason::UnsafePath => (
            Policy,
            STALLS,
            "Name the file itself: links and submodules are never followed.",
        ),
        Reason::InvalidTarget => (
            Policy,
            "looks again at its interval, and when tags or the object change; `Stalled` if the file is a pointer of Git LFS or too large",
            "The message has line and column. The file is left as it is.",
        ),
        Reason::NoApplication => (
            Policy,
            WAITS,
            "Check `applications`: names and labels of Applications of the policy's own namespace.",
        ),
        Reason::ApplicationsUnavailable => (
            Policy,
            RETRIES,
            "Install Argo CD, or its CRDs, and let the operator list Applications.",
        ),
        Reason::InvalidSource => (
            Policy,
            WAITS,
            "The message names the Application and the way out.",
        ),
        Reason::NotLive => (
            Policy,
            "leaves it alone until an Application runs it",
            "Nothing, if the image is not deployed there: it stands beside a true `Ready`. Compare \
             its name with `status.summary.images` of the Application, or set `onlyLive` to \
             `false` to write it anyway.",
        ),
        Reason::ApplicationConflict => (
            Policy,
            RETRIES,
            "It goes on by itself. If it stays, find out who writes the Application all the time.",
        ),
        Reason::InvalidAnnotations => (
            Policy,
            "leaves out the image that the annotation is about, or suspends the policy if where to write is wrong",
            "Event and condition name the annotation, the character of its value, and the way out.",
        ),
        Reason::OldUpdaterRunning => (
            Policy,
            "converts no annotations until it is gone; what was converted before goes on",
            "Scale argocd-image-updater to 0, or run the operator with `--convert-beside-old-updater`.",
        ),
        Reason::ImageUpdaterIgnored => (
            Policy,
            "leaves them alone, and goes on",
            "Give them to `convert`, apply what it prints, and delete them.",
        ),
        Reason::PutBack => (
            Policy,
            STALLS,
            "Write where the parameters come from (`writeBack.git`), or have their owner leave them \
             alone: `ignoreApplicationDifferences` of an ApplicationSet, `ignoreDifferences` of an \
             Application. A new tag, a changed spec or a new value of the annotation \
             `image-update.dev/release` tries again.",
        ),
        Reason::NotificationFailed => (
            Policy,
            "gives that notification up, after five attempts where they may help",
            "The event names the Secret and says why; mend it, or the receiver. The next \
             notification is sent again.",
        ),
        Reason::Conflict => (
            Policy,
            STALLS,
            "Change or delete one of the two policies; the older one goes on.",
        ),
    };
    Guide {
        scope,
        then,
        advice,
    }
}
