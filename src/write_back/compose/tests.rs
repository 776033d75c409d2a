//! One row, one batch: who shares a commit, who sees whose files, whose trouble stays theirs.

use image_update_core::message::MessageTemplate;
use image_update_core::remote::BranchName;
use jiff::Timestamp;

use super::*;
use crate::git::update::{Paths, Signature};
use crate::write_back::job::Decide;

fn path(text: &str) -> RepoPath {
    text.parse().expect("the row's path is a path")
}

fn snapshot() -> Snapshot {
    let branch: BranchName = "main".parse().expect("it is a branch");
    Snapshot {
        branch,
        commit_id: gix::ObjectId::null(gix::hash::Kind::Sha1),
        files: ["a", "b"]
            .map(|file| (path(file), Some(Bytes::from_static(b"0"))))
            .into(),
    }
}

/// A job called `name` that appends its name to `file`.
fn appends(name: &'static str, file: &'static str) -> Job {
    job(
        name,
        file,
        Box::new(move |snapshot| {
            let content = snapshot.files.get(&path(file)).cloned().flatten();
            let mut content = content.map(Vec::from).unwrap_or_default();
            content.extend_from_slice(name.as_bytes());
            Decided::Write(vec![edit(name, file, content)])
        }),
    )
}

fn edit(name: &str, file: &str, content: Vec<u8>) -> Edit {
    Edit {
        application: None,
        files: BTreeMap::from([(path(file), content)]),
        changes: vec![ImageChange {
            image: name.to_owned(),
            name: name.to_owned(),
            alias: name.to_owned(),
            old: None,
            new: "1".to_owned(),
        }],
    }
}

/// A job called `name` that writes its name to both files, for an Application each.
fn for_two_applications(name: &'static str) -> Job {
    let of_application = move |(application, file): (&str, &str)| Edit {
        application: Some(("argocd".to_owned(), application.to_owned())),
        ..edit(name, file, name.as_bytes().to_vec())
    };
    let edits = move || [("one", "a"), ("two", "b")].map(of_application).into();
    let mut job = job(name, "a", Box::new(move |_| Decided::Write(edits())));
    job.paths.files.push(path("b"));
    job
}

fn job(name: &str, file: &str, decide: Decide) -> Job {
    Job {
        name: name.to_owned(),
        namespace: "team".to_owned(),
        target_key: String::new(),
        paths: Paths::from_iter([path(file)]),
        push: None,
        style: CommitStyle {
            message: MessageTemplate::default(),
            author: Signature::new("r", "r@example.org", Timestamp::UNIX_EPOCH)
                .expect("a valid author"),
            sign_off: false,
            signing: None,
            is_shared: false,
        },
        decide,
    }
}

fn shared(mut job: Job) -> Job {
    job.style.is_shared = true;
    job
}

fn saying(mut job: Job, message: &str) -> Job {
    job.style.message = MessageTemplate::checked(message).expect("the row's message is one");
    job
}

#[test]
fn each_job_has_its_commit() {
    check(
        vec![appends("x", "a"), appends("y", "b")],
        &["x: a=0x", "y: b=0y"],
        "0 1",
    );
}

#[test]
fn edits_of_a_job_have_commits_of_their_own_unless_they_are_shared() {
    check(
        vec![for_two_applications("x"), appends("y", "a")],
        &["one: a=x", "two: b=x", "y: a=xy"],
        "0-1 2",
    );
    check(
        vec![shared(for_two_applications("x")), shared(appends("y", "a"))],
        &["one, two, y: a=xy b=x"],
        "0 0",
    );
}

#[test]
fn job_of_which_one_edit_has_no_message_leaves_no_trace() {
    check(
        vec![
            saying(
                for_two_applications("x"),
                "{{if eq .AppName \"two\"}}{{else}}m{{end}}",
            ),
            appends("y", "a"),
        ],
        &["y: a=0y"],
        "failed 0",
    );
}

#[test]
fn jobs_of_one_file_build_on_each_other() {
    check(
        vec![appends("x", "a"), appends("y", "a")],
        &["x: a=0x", "y: a=0xy"],
        "0 1",
    );
}

#[test]
fn shared_commits_are_made_last_and_one_for_each_style() {
    check(
        vec![
            shared(appends("x", "a")),
            appends("y", "a"),
            shared(appends("z", "b")),
            saying(shared(appends("w", "b")), "other {{.AppName}}"),
        ],
        &["y: a=0y", "x, z: a=0yx b=0z", "other w: b=0zw"],
        "1 0 1 2",
    );
}

#[test]
fn job_without_a_message_leaves_no_trace() {
    check(
        vec![
            saying(
                appends("x", "a"),
                "{{if eq .AppName \"x\"}}{{else}}m{{end}}",
            ),
            appends("y", "a"),
        ],
        &["y: a=0y"],
        "failed 0",
    );
}

#[test]
fn what_changes_nothing_makes_no_commit() {
    check(
        vec![
            job("x", "a", Box::new(|_| Decided::Nothing)),
            job("y", "a", Box::new(|_| Decided::Undecided)),
        ],
        &[],
        "nothing undecided",
    );
}

#[test]
fn job_sees_its_own_files_only() {
    let decide: Decide = Box::new(|snapshot| {
        assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), [&path("b")]);
        Decided::Nothing
    });
    check(vec![job("x", "b", decide)], &[], "nothing");
}

#[test]
fn shared_commit_is_signed_off_once() {
    let mut one = shared(appends("x", "a"));
    let mut two = shared(appends("y", "b"));
    one.style.sign_off = true;
    two.style.sign_off = true;
    let composition = compose(&mut [one, two], &snapshot());
    let message = &composition.drafts[0].message;
    assert!(
        message.ends_with("to '1'\n\nSigned-off-by: r <r@example.org>\n"),
        "{message}"
    );
    assert_eq!(message.matches("Signed-off-by").count(), 1);
}

/// Drafts as `names: file=content …`, parts as the indices of the drafts or a word.
#[track_caller]
fn check(mut jobs: Vec<Job>, drafts: &[&str], parts: &str) {
    let composition = compose(&mut jobs, &snapshot());
    let shown: Vec<String> = composition.drafts.iter().map(draft_text).collect();
    assert_eq!(shown, drafts);
    let shown: Vec<String> = composition.parts.iter().map(part_text).collect();
    assert_eq!(shown.join(" "), parts);
}

fn draft_text(draft: &CommitDraft) -> String {
    let subject = draft.message.lines().next().unwrap_or_default();
    let name = subject
        .strip_prefix("build: automatic update of ")
        .unwrap_or(subject);
    let files = draft.files.iter().map(|(path, content)| {
        let content = String::from_utf8_lossy(content);
        format!("{path}={content}")
    });
    format!("{name}: {}", files.collect::<Vec<_>>().join(" "))
}

fn part_text(part: &Part) -> String {
    match part {
        Part::Nothing => "nothing".to_owned(),
        Part::Undecided => "undecided".to_owned(),
        Part::In(drafts) if drafts.len() == 1 => drafts.start.to_string(),
        Part::In(drafts) => format!("{}-{}", drafts.start, drafts.end - 1),
        Part::Failed(_) => "failed".to_owned(),
    }
}
