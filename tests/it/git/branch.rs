//! Pushing to a branch of its own: made, added to, made anew, and left alone where it is not ours.

use std::convert::Infallible;

use anyhow::Result;
use image_update_operator::git::{
    error::{Error, UpdateError},
    remote::Remote,
    update::{CommitDraft, Paths, Receipt, UpdateRequest},
};
use image_update_testkit::git_server::{Fault, GitServer, ObjectFormat};

use super::{FILES, VALUES, branch, check_error, draft, path, remote, with_tag};

const NEW: &str = "updates/shop";
const OLD_VALUES: &[u8] = b"image:\n  tag: 1.0.0\n";

/// As a policy does: sets the tag on `updates/shop`, made from the default branch.
async fn push_tag(remote: &Remote, tag: &str) -> Result<Receipt, UpdateError<Infallible>> {
    remote
        .update(&request(), |snapshot| Ok(with_tag(snapshot, VALUES, tag)))
        .await
}

fn request() -> UpdateRequest {
    UpdateRequest {
        branch: None,
        push: Some(branch(NEW)),
        paths: Paths::from_iter([path(VALUES)]),
    }
}

fn values(tag: &str) -> Vec<u8> {
    format!("image:\n  tag: {tag}\n").into_bytes()
}

async fn server(allow_filter: bool) -> Result<(GitServer, Remote)> {
    let server = GitServer::builder()
        .allow_filter(allow_filter)
        .start()
        .await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    Ok((server, remote))
}

/// How many commits the branch has that `main` has not.
fn beyond(server: &GitServer) -> Result<usize> {
    let count = server.git("env", &["rev-list", "--count", &format!("main..{NEW}")])?;
    Ok(count.parse()?)
}

#[tokio::test]
async fn branch_is_made_from_its_base_and_added_to() -> Result<()> {
    for allow_filter in [true, false] {
        let (server, remote) = server(allow_filter).await?;
        let receipt = push_tag(&remote, "1.1.0").await?;
        assert_eq!(receipt.branch(), &branch(NEW));
        assert_eq!(server.show("env", NEW, VALUES)?, values("1.1.0"));
        assert_eq!(server.show("env", "main", VALUES)?, OLD_VALUES);

        // Somebody's commit on top is built upon.
        server.commit("env", NEW, &[("README.md", b"theirs\n")], "By hand")?;
        push_tag(&remote, "1.2.0").await?;
        assert_eq!(server.show("env", NEW, VALUES)?, values("1.2.0"));
        assert_eq!(server.show("env", NEW, "README.md")?, b"theirs\n");
        assert_eq!(beyond(&server)?, 3);

        let receipt = push_tag(&remote, "1.2.0").await?;
        assert!(matches!(receipt, Receipt::UpToDate { .. }), "{receipt:?}");
        server.fsck("env")?;
    }
    Ok(())
}

#[tokio::test]
async fn branch_behind_its_base_is_made_anew() -> Result<()> {
    for allow_filter in [true, false] {
        let (server, remote) = server(allow_filter).await?;
        push_tag(&remote, "1.1.0").await?;
        push_tag(&remote, "1.2.0").await?;
        server.commit("env", "main", &[("README.md", b"new\n")], "On main")?;

        push_tag(&remote, "1.3.0").await?;

        assert_eq!(server.show("env", NEW, VALUES)?, values("1.3.0"));
        assert_eq!(server.show("env", NEW, "README.md")?, b"new\n");
        assert_eq!(beyond(&server)?, 1);
        server.fsck("env")?;
    }
    Ok(())
}

#[tokio::test]
async fn somebody_elses_commit_is_never_lost() -> Result<()> {
    for allow_filter in [true, false] {
        let (server, remote) = server(allow_filter).await?;
        push_tag(&remote, "1.1.0").await?;
        let theirs = server.commit("env", NEW, &[("README.md", b"theirs\n")], "By hand")?;
        push_tag(&remote, "1.2.0").await?;
        server.commit("env", "main", &[("apps/new.yaml", b"x\n")], "On main")?;
        let before = server.head("env", NEW)?;

        let error = push_tag(&remote, "1.3.0").await.expect_err("it is theirs");

        let text = format!(
            "updates/shop of <remote> is behind main and holds commit {theirs}, which is somebody \
             else's, so it is left alone\nhint: merge main into it, merge it, or delete it"
        );
        check_error(&server, "env", &error, &text);
        assert_eq!(server.head("env", NEW)?, before);

        // Somebody merges the base, as the hint says.
        let tree = server.git("env", &["rev-parse", &format!("{NEW}^{{tree}}")])?;
        let merge = server.git(
            "env",
            &["commit-tree", &tree, "-p", NEW, "-p", "main", "-m", "Merge"],
        )?;
        server.git("env", &["update-ref", &format!("refs/heads/{NEW}"), &merge])?;
        push_tag(&remote, "1.3.0").await?;
        assert_eq!(server.show("env", NEW, "README.md")?, b"theirs\n");
        assert_eq!(server.show("env", NEW, VALUES)?, values("1.3.0"));
        server.fsck("env")?;
    }
    Ok(())
}

#[tokio::test]
async fn commit_of_ours_that_somebody_amended_is_theirs() -> Result<()> {
    let (server, remote) = server(true).await?;
    push_tag(&remote, "1.1.0").await?;
    // What `git commit --amend` does: the headers stay, the message is another one.
    let commit = server.git("env", &["cat-file", "commit", NEW])?;
    assert!(commit.contains("\nimage-update-operator "), "{commit}");
    let tree = server.git("env", &["rev-parse", &format!("{NEW}^{{tree}}")])?;
    let amended = server.git("env", &["commit-tree", &tree, "-p", "main", "-m", "Better"])?;
    server.git(
        "env",
        &["update-ref", &format!("refs/heads/{NEW}"), &amended],
    )?;
    server.commit("env", "main", &[("README.md", b"new\n")], "On main")?;

    let error = push_tag(&remote, "1.2.0").await.expect_err("it is theirs");

    let UpdateError::Git(Error::ForeignCommits { commit_id, .. }) = &error else {
        anyhow::bail!("another error than expected: {error:?}");
    };
    let found = commit_id.to_string();
    assert_eq!(found, amended);
    Ok(())
}

#[tokio::test]
async fn merged_branch_is_left_until_there_is_something_new() -> Result<()> {
    let (server, remote) = server(true).await?;
    push_tag(&remote, "1.1.0").await?;
    let ours = server.head("env", NEW)?;
    server.git("env", &["update-ref", "refs/heads/main", &ours])?;
    server.commit("env", "main", &[("README.md", b"new\n")], "On main")?;

    let receipt = push_tag(&remote, "1.1.0").await?;
    assert!(matches!(receipt, Receipt::UpToDate { .. }), "{receipt:?}");
    assert_eq!(receipt.branch(), &branch("main"), "the base has it all");
    assert_eq!(server.head("env", NEW)?, ours);

    push_tag(&remote, "1.2.0").await?;
    assert_eq!(server.show("env", NEW, "README.md")?, b"new\n");
    assert_eq!(beyond(&server)?, 1);
    server.fsck("env")
}

#[tokio::test]
async fn races_for_the_branch_lose_nothing() -> Result<()> {
    let (server, remote) = server(true).await?;
    // Somebody makes the branch while we do, then adds to it while we do.
    let mut count = 0;
    for tag in ["1.1.0", "1.2.0"] {
        let mut is_first = true;
        let receipt = remote
            .update(&request(), |snapshot| {
                if std::mem::take(&mut is_first) {
                    count += 1;
                    let file = format!("theirs-{count}");
                    if count == 1 {
                        server
                            .git("env", &["branch", NEW, "main"])
                            .map_err(std::io::Error::other)?;
                    }
                    server
                        .commit("env", NEW, &[(&file, b"x\n")], "Theirs")
                        .map_err(std::io::Error::other)?;
                }
                Ok::<_, std::io::Error>(with_tag(snapshot, VALUES, tag))
            })
            .await?;
        assert!(
            matches!(receipt, Receipt::Pushed { attempts: 2, .. }),
            "{receipt:?}"
        );
    }
    assert_eq!(server.show("env", NEW, VALUES)?, values("1.2.0"));
    for file in ["theirs-1", "theirs-2"] {
        assert_eq!(server.show("env", NEW, file)?, b"x\n");
    }
    server.fsck("env")
}

#[tokio::test]
async fn answer_lost_while_the_branch_is_made_makes_one_commit() -> Result<()> {
    let (server, remote) = server(true).await?;
    server.inject("/git-receive-pack", Fault::DropAfter);
    let receipt = push_tag(&remote, "1.1.0").await?;
    assert!(
        matches!(receipt, Receipt::Pushed { attempts: 1, .. }),
        "{receipt:?}"
    );
    assert_eq!(receipt.commit_id().to_string(), server.head("env", NEW)?);
    assert_eq!(beyond(&server)?, 1);
    Ok(())
}

#[tokio::test]
async fn several_commits_go_in_one_push() -> Result<()> {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        let server = GitServer::builder().start().await?;
        server.create_repository_of("env", format, FILES)?;
        let remote = remote(&server, "env")?;
        let long = |digit: &str| digit.repeat(400);
        // There and back again: objects that replace each other must not become deltas in a circle.
        let contents = ["1", "2", "1", "2", "2"].map(long);
        let drafts: Vec<CommitDraft> = contents
            .iter()
            .map(|content| draft(&[(VALUES, content.as_bytes())], content))
            .collect();
        let before = server.requests();
        let receipt = remote
            .update_all(&request(), |_| Ok::<_, Infallible>(drafts.clone()))
            .await?;
        let Receipt::Pushed { commits, .. } = &receipt else {
            anyhow::bail!("nothing was pushed");
        };
        let made: Vec<bool> = commits.iter().map(Option::is_some).collect();
        assert_eq!(made, [true, true, true, true, false]);
        assert_eq!(beyond(&server)?, 4);
        assert_eq!(server.show("env", NEW, VALUES)?, contents[4].as_bytes());
        // Capabilities twice, two positions, commit, three trees, file, and one push.
        assert_eq!(server.requests() - before, 10);
        server.fsck("env")?;
    }
    Ok(())
}
