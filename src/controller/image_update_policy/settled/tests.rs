//! What a status holds of the past, and what is made of it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::ObjectMeta;

use super::*;
use crate::api::v1alpha1::{LastBuild, Reason, WriteBackSpec};

#[test]
fn value_is_known_on_its_branch_only() {
    check(1, None, "main", Some("1.1.0"));
    check(1, None, "other", None);
}

#[test]
fn change_of_the_spec_or_a_release_forgets_it() {
    check(2, None, "main", None);
    check(1, Some("now"), "main", None);
}

#[track_caller]
fn check(generation: i64, release: Option<&str>, branch: &str, expected: Option<&str>) {
    let settled = before(generation, release, Some("main"));
    let branch: BranchName = branch.parse().expect("the row's branch is one");
    assert_eq!(settled.on(&branch, "web"), expected);
    assert_eq!(settled.on(&branch, "other"), None);
    assert_eq!(settled.somewhere("web"), None);
}

#[test]
fn value_of_applications_is_on_no_branch_but_has_commits() {
    let settled = before(1, None, None);
    let branch: BranchName = "main".parse().expect("it is a branch");
    assert_eq!(settled.on(&branch, "web"), None);
    assert_eq!(settled.somewhere("web"), Some("1.1.0"));
    assert_eq!(settled.commits(&remote(), &branch), [commit(1)]);
    let other: BranchName = "other".parse().expect("it is a branch");
    assert!(settled.commits(&remote(), &other).is_empty());
    let forgotten = before(2, None, None);
    assert!(forgotten.commits(&remote(), &branch).is_empty());
}

/// Rows: what was known, whether it was pushed, whether there is news, which looks are evidence;
/// what is kept. Commit 9 is the one that was pushed or read.
#[test]
fn commits_that_show_something_are_kept() {
    check_commits(&[], false, false, &[], &[9]);
    check_commits(&[1], false, false, &[], &[1]);
    check_commits(&[1], false, true, &[], &[9]);
    check_commits(&[1], true, false, &[], &[9]);
    check_commits(&[1, 2], true, false, &[0], &[1, 9]);
    check_commits(&[1, 2], true, false, &[0, 1], &[1, 2, 9]);
    check_commits(&[1, 2], false, false, &[1], &[2]);
    check_commits(&[1, 2, 3, 4], true, false, &[0, 1, 2, 3], &[1, 2, 3, 9]);
}

#[track_caller]
fn check_commits(
    before: &[u8],
    is_pushed: bool,
    has_news: bool,
    evidence: &[usize],
    expected: &[u8],
) {
    let branch: BranchName = "main".parse().expect("it is a branch");
    let commits = |ids: &[u8]| ids.iter().copied().map(commit).collect::<Vec<_>>();
    let settled = Settled {
        values: BTreeMap::new(),
        branches: BTreeMap::from([(key(&remote(), &branch), commits(before))]),
        builds: Builds::default(),
    };
    let seen = || Commit {
        branch: branch.clone(),
        id: commit(9),
    };
    let write = Write {
        remote: Some(remote()),
        applications: Vec::new(),
        plan: Some(image_update_core::plan::Plan {
            evidence: evidence.iter().copied().collect(),
            ..image_update_core::plan::Plan::default()
        }),
        written: Ok(if is_pushed {
            Written::Pushed {
                commit: seen(),
                attempts: 1,
            }
        } else {
            Written::Nothing { read: Some(seen()) }
        }),
    };
    let kept = settled.commits_after(&remote(), &seen(), &write, has_news);
    assert_eq!(kept, commits(expected));
}

#[test]
fn builds_outlive_a_change_of_the_spec_and_are_of_one_repository() {
    let settled = before(2, Some("now"), None);
    assert_eq!(settled.somewhere("web"), None);
    let repository = |text: &str| text.parse().expect("the row's repository is one");
    let last = |alias, image| settled.last_build(alias, &repository(image));
    let known = last("web", "registry.example/app").expect("it is known");
    assert_eq!(known.tag.as_str(), "1.1.0");
    assert_eq!(known.created, Some(jiff::Timestamp::UNIX_EPOCH));
    assert_eq!(last("web", "registry.example/other"), None);
    assert_eq!(last("other", "registry.example/app"), None);
    // Where nothing can be decided, it is kept.
    let mut images = [ImageStatus {
        last_build: None,
        ..status().images.remove(0)
    }];
    settled.note(&mut images, &Err(Error::NoApplication));
    assert_eq!(images[0].last_build, Some(last_build()));
}

#[test]
fn pin_is_known_to_be_old_once_its_value_has_stood() {
    let mut status = status();
    let policy = policy(1, None);
    assert!(!Settled::before(&policy, Some(&status)).was_pinned("web"));
    if let Some(settled) = &mut status.images[0].settled {
        settled.pinned = true;
    }
    let settled = Settled::before(&policy, Some(&status));
    assert!(settled.was_pinned("web"));
    assert!(!settled.was_pinned("other"));
}

fn last_build() -> LastBuild {
    LastBuild {
        image: "registry.example/app".to_owned(),
        tag: "1.1.0".to_owned(),
        time: Time(jiff::Timestamp::UNIX_EPOCH),
    }
}

fn commit(number: u8) -> ObjectId {
    ObjectId::from_bytes_or_panic(&[number; 20])
}

fn remote() -> RemoteUrl {
    "https://git.example/env.git".parse().expect("it is a URL")
}

/// What a policy of this generation knows from a status of generation 1.
fn before(generation: i64, release: Option<&str>, branch: Option<&str>) -> Settled {
    let mut status = status();
    if let Some(settled) = &mut status.images[0].settled {
        settled.branch = branch.map(str::to_owned);
    }
    Settled::before(&policy(generation, release), Some(&status))
}

fn policy(generation: i64, release: Option<&str>) -> ImageUpdatePolicy {
    let annotation = |value: &str| (annotations::RELEASE.to_owned(), value.to_owned());
    ImageUpdatePolicy {
        metadata: ObjectMeta {
            generation: Some(generation),
            annotations: Some(release.map(annotation).into_iter().collect()),
            ..ObjectMeta::default()
        },
        spec: spec(),
        status: None,
    }
}

fn status() -> ImageUpdatePolicyStatus {
    ImageUpdatePolicyStatus {
        observed_generation: Some(1),
        images: vec![ImageStatus {
            alias: "web".to_owned(),
            selected: None,
            digest: None,
            current: None,
            state: ImageState::UpToDate,
            reason: Reason::Succeeded,
            message: String::new(),
            held_until: None,
            settled: Some(SettledValue {
                value: "1.1.0".to_owned(),
                branch: None,
                pinned: false,
            }),
            last_build: Some(last_build()),
        }],
        settled_branches: vec![SettledBranch {
            repository: digest(&remote()),
            branch: "main".to_owned(),
            commits: vec![commit(1).to_string(), "not a commit".to_owned()],
        }],
        ..ImageUpdatePolicyStatus::default()
    }
}

fn spec() -> crate::api::v1alpha1::ImageUpdatePolicySpec {
    let git = serde_json::json!({"repository": "https://git.example/env.git", "targets": []});
    let git = serde_json::from_value(git).expect("it has what a spec must have");
    crate::api::v1alpha1::ImageUpdatePolicySpec {
        applications: Vec::new(),
        suspend: false,
        interval: "5m".to_owned(),
        dry_run: false,
        images: Vec::new(),
        write_back: WriteBackSpec {
            git: Some(git),
            argocd: None,
        },
        notify: Vec::new(),
    }
}
