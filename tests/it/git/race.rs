//! Other writers, broken connections and servers that say no: nothing is lost, nothing written twice.

use std::time::Duration;

use anyhow::Result;
use image_update_operator::git::{
    error::{Error, UpdateError},
    update::Receipt,
};
use image_update_testkit::git_server::{Fault, GitServer};

use super::{
    FILES, PASSWORD, USER, VALUES, check_error, remote, request, server, set_tag, with_tag,
};

#[tokio::test]
async fn somebody_elses_commits_are_kept() -> Result<()> {
    for allow_filter in [true, false] {
        let server = server(allow_filter).await?;
        let remote = remote(&server, "env")?;
        set_tag(&remote, VALUES, "1.1.0").await?;

        // Between two updates, and in the middle of one: after the read, before the push.
        server.commit("env", "main", &[("README.md", b"new\n")], "Between")?;
        let mut interruptions = 2;
        let receipt = remote
            .update(&request(&[VALUES]), |snapshot| {
                if interruptions > 0 {
                    interruptions -= 1;
                    let content = format!("tag: {interruptions}\n");
                    let file = [("apps/bank/values.yaml", content.as_bytes())];
                    server
                        .commit("env", "main", &file, "Meanwhile")
                        .map_err(std::io::Error::other)?;
                }
                Ok::<_, std::io::Error>(with_tag(snapshot, VALUES, "1.2.0"))
            })
            .await?;

        assert!(
            matches!(receipt, Receipt::Pushed { attempts: 3, .. }),
            "{receipt:?}"
        );
        assert_eq!(server.show("env", "main", "README.md")?, b"new\n");
        assert_eq!(
            server.show("env", "main", "apps/bank/values.yaml")?,
            b"tag: 0\n"
        );
        assert_eq!(
            server.show("env", "main", VALUES)?,
            b"image:\n  tag: 1.2.0\n"
        );
        assert_eq!(server.count_commits("env", "main")?, 6);
        server.fsck("env")?;
    }
    Ok(())
}

#[tokio::test]
async fn change_somebody_else_already_made_is_not_made_again() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    let receipt = remote
        .update(&request(&[VALUES]), |snapshot| {
            let wanted = with_tag(snapshot, VALUES, "1.1.0");
            if server
                .count_commits("env", "main")
                .map_err(std::io::Error::other)?
                == 1
            {
                let file = [(VALUES, &b"image:\n  tag: 1.1.0\n"[..])];
                server
                    .commit("env", "main", &file, "First")
                    .map_err(std::io::Error::other)?;
            }
            Ok::<_, std::io::Error>(wanted)
        })
        .await?;
    assert!(matches!(receipt, Receipt::UpToDate { .. }), "{receipt:?}");
    assert_eq!(server.count_commits("env", "main")?, 2);
    Ok(())
}

#[tokio::test]
async fn rewritten_history_is_built_upon() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    server.create_repository("other", &[(VALUES, b"tag: 9\n")])?;
    let remote = remote(&server, "env")?;
    set_tag(&remote, VALUES, "1.1.0").await?;
    server.force("env", "main", "other", "main")?;

    let receipt = set_tag(&remote, VALUES, "10").await?;

    assert!(
        matches!(receipt, Receipt::Pushed { attempts: 1, .. }),
        "{receipt:?}"
    );
    assert_eq!(server.show("env", "main", VALUES)?, b"tag: 10\n");
    assert_eq!(server.count_commits("env", "main")?, 2);
    server.fsck("env")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_lose_nothing() -> Result<()> {
    const WRITERS: usize = 6;
    let server = GitServer::builder()
        .tls()
        .basic_auth(USER, PASSWORD)
        .start()
        .await?;
    let names: Vec<String> = (0..WRITERS)
        .map(|index| format!("apps/app-{index}.yaml"))
        .collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), &b"tag: 0\n"[..]))
        .collect();
    server.create_repository("env", &files)?;

    let remotes = (0..WRITERS)
        .map(|_| remote(&server, "env"))
        .collect::<Result<Vec<_>>>()?;
    let updates = remotes
        .iter()
        .zip(&names)
        .map(|(remote, name)| set_tag(remote, name, "1"));
    let receipts = futures::future::join_all(updates).await;

    for receipt in receipts {
        assert!(matches!(receipt?, Receipt::Pushed { .. }));
    }
    for name in &names {
        assert_eq!(server.show("env", "main", name)?, b"tag: 1\n", "{name}");
    }
    let log = server.log("env", "main")?;
    assert_eq!(log.len(), WRITERS + 1);
    assert!(
        log.iter().all(|commit| commit.parents.len() <= 1),
        "the history is a line"
    );
    server.fsck("env")
}

#[tokio::test]
async fn connection_lost_after_the_push_makes_one_commit() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    for (fault, attempts) in [
        (Fault::DropAfter, 1),
        (Fault::DropBefore, 2),
        (Fault::status(502), 2),
    ] {
        let before = server.count_commits("env", "main")?;
        server.inject("/git-receive-pack", fault.clone());
        let receipt = set_tag(&remote, VALUES, &format!("1.1.{before}")).await?;

        assert_eq!(
            server.count_commits("env", "main")?,
            before + 1,
            "{fault:?}"
        );
        assert_eq!(receipt.commit_id().to_string(), server.head("env", "main")?);
        let Receipt::Pushed { attempts: made, .. } = receipt else {
            anyhow::bail!("{fault:?}: the commit is not reported");
        };
        assert_eq!(made, attempts, "{fault:?}");
    }
    server.fsck("env")
}

#[tokio::test]
async fn connection_lost_for_good_is_an_error() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    for _ in 0..6 {
        server.inject("/git-receive-pack", Fault::DropBefore);
    }
    let error = set_tag(&remote, VALUES, "2")
        .await
        .expect_err("no push gets through");
    let text = "could not talk to <remote>: the connection was lost before the answer was complete";
    check_error(&server, "env", &error, text);
    assert_eq!(server.count_commits("env", "main")?, 1);
    // And it is not for good in the end.
    set_tag(&remote, VALUES, "2").await?;
    assert_eq!(server.count_commits("env", "main")?, 2);
    server.fsck("env")
}

#[tokio::test]
async fn cancelled_update_leaves_the_remote_usable() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    for on in ["/info/refs", "/git-upload-pack", "/git-receive-pack"] {
        server.inject(on, Fault::Delay(Duration::from_mins(1)));
        let update = set_tag(&remote, VALUES, "1.1.0");
        tokio::time::timeout(Duration::from_millis(300), update)
            .await
            .expect_err("it hangs");
    }
    set_tag(&remote, VALUES, "1.2.0").await?;
    assert_eq!(
        server.show("env", "main", VALUES)?,
        b"image:\n  tag: 1.2.0\n"
    );
    assert_eq!(server.count_commits("env", "main")?, 2);
    server.fsck("env")
}

#[tokio::test]
async fn words_of_a_hook_are_told() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    let script = "printf 'GL-HOOK-ERR: \\033[31mno\\007 direct\\npushes\\n' >&2; \
                  echo https://me:secret@git.example/x >&2; exit 1";
    for (hook, reason, own_words) in [
        ("pre-receive", "pre-receive hook declined", ""),
        (
            "update",
            "hook declined",
            " error: hook declined to update refs/heads/main",
        ),
    ] {
        server.install_hook("env", hook, script)?;
        let error = set_tag(&remote, VALUES, "2")
            .await
            .expect_err("the hook refuses");
        let text = format!(
            "<remote> refused the push to main: {reason}: GL-HOOK-ERR: [31mno direct pushes \
             https://***@git.example/x{own_words}"
        );
        check_error(&server, "env", &error, &text);
        assert!(
            matches!(error, UpdateError::Git(Error::PushRejected { .. })),
            "{error:?}"
        );
        server.remove_hook("env", hook)?;
    }
    assert_eq!(server.count_commits("env", "main")?, 1);
    set_tag(&remote, VALUES, "2").await?;
    server.fsck("env")
}

#[tokio::test]
async fn endless_race_is_given_up() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    let mut count = 0;
    let error = remote
        .update(&request(&[VALUES]), |snapshot| {
            count += 1;
            let content = format!("{count}\n");
            let file = [("README.md", content.as_bytes())];
            server
                .commit("env", "main", &file, "Me first")
                .map_err(std::io::Error::other)?;
            Ok::<_, std::io::Error>(with_tag(snapshot, VALUES, "2"))
        })
        .await
        .expect_err("somebody is always first");
    // What the server says depends on the version of git.
    let text = error.to_string();
    let ours = format!(
        "others wrote to main of {} first, 6 times in a row; the server said last: ",
        server.url("env")
    );
    let theirs = text.strip_prefix(&ours);
    assert!(
        theirs.is_some_and(|words| words.contains("cannot lock ref")),
        "{text}"
    );
    assert_eq!(server.count_commits("env", "main")?, 7);
    server.fsck("env")
}
