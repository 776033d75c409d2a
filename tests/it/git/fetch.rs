//! How much is asked of a server for what is read: every rung of the ladder from servers that leave
//! out what is not wanted to those that can't, counted in requests and bytes.

use std::time::Duration;

use anyhow::Result;
use image_update_operator::git::{
    remote::Remote,
    update::{Paths, Receipt},
};
use image_update_testkit::git_server::{Builder, Fault, GitServer, ObjectFormat};

use super::{VALUES, branch, path, remote, set_tag};

/// Folders besides the one that is looked at.
const OTHERS: usize = 300;

/// More than what is read of the repository by ids, less than all of its files.
const FEW_BYTES: u64 = 40_000;

/// What a look costs that finds a change of one file elsewhere: a commit and three trees, as deltas.
const CHANGES_BYTES: u64 = 2_000;

/// How a server is, as far as the ladder is concerned.
#[derive(Debug, Clone, Copy)]
struct Server {
    is_old: bool,
    has_filter: bool,
    ids: Ids,
    format: ObjectFormat,
}

/// What a server gives by its id. Version 2 gives everything always.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ids {
    /// What a ref points to.
    Refs,
    Everything,
}

impl Server {
    async fn start(self) -> Result<GitServer> {
        let mut builder: Builder = GitServer::builder().allow_filter(self.has_filter);
        if self.is_old {
            builder = builder.protocol_v0();
        }
        let server = builder.start().await?;
        let files = files();
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|(name, content)| (name.as_str(), content.as_slice()))
            .collect();
        server.create_repository_of("env", self.format, &files)?;
        if self.ids == Ids::Everything {
            server.configure("env", "uploadpack.allowAnySHA1InWant", "true")?;
        }
        Ok(server)
    }
}

/// A repository of a megabyte, most of it in files that don't compress.
fn files() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![(VALUES.to_owned(), b"image:\n  tag: 1.0.0\n".to_vec())];
    files.extend((0..OTHERS).map(|index| (other(index), noise(index, "1.0.0"))));
    files
}

fn other(index: usize) -> String {
    format!("apps/other-{index:03}/values.yaml")
}

fn noise(seed: usize, tag: &str) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let keys = (0..100).map(|_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        format!("- \"{state:016x}\"\n")
    });
    let keys: String = keys.collect();
    format!("image:\n  tag: {tag}\nkeys:\n{keys}").into_bytes()
}

/// Requests and bytes of answers since it was asked last.
struct Meter<'a> {
    server: &'a GitServer,
    requests: u64,
    bytes: u64,
}

impl<'a> Meter<'a> {
    fn new(server: &'a GitServer) -> Self {
        let (requests, bytes) = (server.requests(), server.bytes_down());
        Self {
            server,
            requests,
            bytes,
        }
    }

    fn take(&mut self) -> (u64, u64) {
        let before = (self.requests, self.bytes);
        *self = Self::new(self.server);
        (self.requests - before.0, self.bytes - before.1)
    }
}

/// Reads a file and compares it with what the repository has.
async fn read(server: &GitServer, remote: &Remote, file: &str) -> Result<()> {
    let paths = Paths::from_iter([path(file)]);
    let snapshot = remote.read(None, &paths).await?;
    let expected = server.show("env", "main", file)?;
    assert_eq!(snapshot.files[&path(file)].as_deref(), Some(&expected[..]));
    Ok(())
}

/// Others push, and the remote is asked again: what that costs, on a server.
async fn look_after_others_pushed(kind: Server) -> Result<()> {
    let server = kind.start().await?;
    let remote = remote(&server, "env")?;
    let mut meter = Meter::new(&server);
    let is_selective = kind.has_filter && (!kind.is_old || kind.ids == Ids::Everything);
    let cost = |requests: u64, expected: u64| {
        assert_eq!(requests, expected, "{kind:?}");
    };

    read(&server, &remote, VALUES).await?;
    let (_, bytes) = meter.take();
    assert_eq!(bytes < FEW_BYTES, is_selective, "{kind:?}: {bytes} bytes");

    // The first time that something changed may take all trees.
    server.commit("env", "main", &[(&other(1), &noise(1, "2"))], "Others")?;
    read(&server, &remote, VALUES).await?;
    let (requests, _) = meter.take();
    cost(requests, 2);

    // From then on, it takes what changed.
    server.commit("env", "main", &[(&other(2), &noise(2, "2"))], "Others")?;
    server.commit("env", "main", &[("README.md", b"more")], "Others")?;
    read(&server, &remote, VALUES).await?;
    let (requests, bytes) = meter.take();
    cost(requests, 2);
    assert!(bytes < CHANGES_BYTES, "{kind:?}: {bytes} bytes");

    // The file itself: in the changes, or by its id.
    server.commit(
        "env",
        "main",
        &[(VALUES, b"image:\n  tag: 1.5.0\n")],
        "Others",
    )?;
    read(&server, &remote, VALUES).await?;
    let (requests, bytes) = meter.take();
    cost(requests, if is_selective { 3 } else { 2 });
    assert!(bytes < CHANGES_BYTES, "{kind:?}: {bytes} bytes");

    // What others do, and then what we do upon it, with all commits there.
    let receipt = set_tag(&remote, VALUES, "2.0.0").await?;
    assert!(matches!(receipt, Receipt::Pushed { attempts: 1, .. }));
    meter.take();
    set_tag(&remote, VALUES, "3.0.0").await?;
    let (requests, _) = meter.take();
    cost(requests, 2);
    assert_eq!(server.count_commits("env", "main")?, 7);

    // And from our own commit on, again what changed.
    server.commit("env", "main", &[(&other(3), &noise(3, "2"))], "Others")?;
    read(&server, &remote, VALUES).await?;
    let (requests, bytes) = meter.take();
    cost(requests, 2);
    assert!(bytes < CHANGES_BYTES, "{kind:?}: {bytes} bytes");

    // A file that was never looked at, and whose change was sent as a delta upon what is not here.
    server.commit("env", "main", &[(&other(3), &noise(3, "3"))], "Others")?;
    read(&server, &remote, VALUES).await?;
    read(&server, &remote, &other(3)).await?;
    read(&server, &remote, &other(4)).await?;
    server.fsck("env")
}

#[tokio::test]
async fn what_others_pushed_comes_as_changes_where_files_can_be_left_out() -> Result<()> {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        look_after_others_pushed(Server {
            is_old: false,
            has_filter: true,
            ids: Ids::Refs,
            format,
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_others_pushed_comes_as_changes_where_nothing_can_be_left_out() -> Result<()> {
    for format in [ObjectFormat::Sha1, ObjectFormat::Sha256] {
        look_after_others_pushed(Server {
            is_old: false,
            has_filter: false,
            ids: Ids::Refs,
            format,
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_others_pushed_comes_as_changes_from_old_servers() -> Result<()> {
    for (has_filter, ids, format) in [
        (true, Ids::Everything, ObjectFormat::Sha1),
        (true, Ids::Refs, ObjectFormat::Sha1),
        (false, Ids::Refs, ObjectFormat::Sha1),
        (true, Ids::Everything, ObjectFormat::Sha256),
    ] {
        look_after_others_pushed(Server {
            is_old: true,
            has_filter,
            ids,
            format,
        })
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn server_that_refuses_ids_after_all_is_asked_for_everything() -> Result<()> {
    // The refs and the trees; with capabilities and trees of their own.
    for (is_old, before) in [(true, 2), (false, 6)] {
        let kind = Server {
            is_old,
            has_filter: true,
            ids: Ids::Everything,
            format: ObjectFormat::Sha1,
        };
        let server = kind.start().await?;
        let remote = remote(&server, "env")?;
        for _ in 0..before {
            server.inject("git-upload-pack", Fault::Delay(Duration::ZERO));
        }
        let kind = "application/x-git-upload-pack-result".to_owned();
        let refusal = Fault::Answer {
            status: 200,
            headers: vec![("content-type", kind)],
            body: "0025ERR upload-pack: not our ref 1234".into(),
        };
        server.inject("git-upload-pack", refusal);
        let mut meter = Meter::new(&server);
        read(&server, &remote, VALUES).await?;
        // The file, which is refused, and everything.
        assert_eq!(meter.take().0, before + 2);

        server.commit("env", "main", &[(&other(1), &noise(1, "2"))], "Others")?;
        read(&server, &remote, VALUES).await?;
        meter.take();
        server.commit("env", "main", &[(VALUES, b"image:\n  tag: 2\n")], "Others")?;
        read(&server, &remote, VALUES).await?;
        let (requests, bytes) = meter.take();
        assert_eq!(requests, 2, "ids are not asked for again");
        assert!(bytes < CHANGES_BYTES, "{bytes} bytes");
        set_tag(&remote, VALUES, "3").await?;
        assert_eq!(server.show("env", "main", VALUES)?, b"image:\n  tag: 3\n");
    }
    Ok(())
}

#[tokio::test]
async fn many_files_are_two_requests_after_the_refs() -> Result<()> {
    for (count, expected) in [(60, 4), (10, 7)] {
        let kind = Server {
            is_old: false,
            has_filter: true,
            ids: Ids::Refs,
            format: ObjectFormat::Sha1,
        };
        let server = kind.start().await?;
        let files: Vec<String> = (0..count).map(other).collect();
        let paths: Paths = files.iter().map(|file| path(file)).collect();
        let snapshot = remote(&server, "env")?.read(None, &paths).await?;
        for file in &files {
            let content = server.show("env", "main", file)?;
            assert_eq!(snapshot.files[&path(file)].as_deref(), Some(&content[..]));
        }
        // Capabilities and refs; then the trees at once, or level by level; the files.
        assert_eq!(server.requests(), expected, "{count}");
    }
    Ok(())
}

#[tokio::test]
async fn history_that_was_replaced_is_read_as_it_is_now() -> Result<()> {
    for has_filter in [true, false] {
        let kind = Server {
            is_old: false,
            has_filter,
            ids: Ids::Refs,
            format: ObjectFormat::Sha1,
        };
        let server = kind.start().await?;
        let remote = remote(&server, "env")?;
        read(&server, &remote, VALUES).await?;
        server.commit("env", "main", &[("a", b"a")], "Others")?;
        read(&server, &remote, VALUES).await?;

        let files: [(&str, &[u8]); 2] = [(VALUES, b"image:\n  tag: 9\n"), ("b", b"b")];
        server.create_repository("another", &files)?;
        server.force("env", "main", "another", "main")?;
        server.git("env", &["reflog", "expire", "--expire=now", "--all"])?;
        server.git("env", &["gc", "--quiet", "--prune=now"])?;

        read(&server, &remote, VALUES).await?;
        set_tag(&remote, VALUES, "10").await?;
        assert_eq!(server.count_commits("env", "main")?, 2);
        server.fsck("env")?;
    }
    Ok(())
}

#[tokio::test]
async fn branches_read_by_turns_are_both_kept() -> Result<()> {
    let kind = Server {
        is_old: false,
        has_filter: true,
        ids: Ids::Refs,
        format: ObjectFormat::Sha1,
    };
    let server = kind.start().await?;
    server.commit("env", "next", &[(VALUES, b"image:\n  tag: 7\n")], "Next")?;
    let remote = remote(&server, "env")?;
    let paths = Paths::from_iter([path(VALUES)]);
    let names = ["main", "next"].map(branch);
    for name in &names {
        remote.read(Some(name), &paths).await?;
    }
    let mut meter = Meter::new(&server);
    for name in names.iter().cycle().take(6) {
        remote.read(Some(name), &paths).await?;
        assert_eq!(meter.take().0, 1, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn what_the_cache_has_no_room_for_is_fetched_again() -> Result<()> {
    for (is_old, has_filter) in [(false, true), (false, false), (true, true)] {
        let kind = Server {
            is_old,
            has_filter,
            ids: Ids::Refs,
            format: ObjectFormat::Sha1,
        };
        let server = kind.start().await?;
        // Nothing at all, then the trees and not the files, then everything.
        for (bytes, expected) in [(0, 2..=6), (150_000, 1..=2), (32 * 1024 * 1024, 1..=1)] {
            let remote = remote(&server, "env")?.with_cache_bytes(bytes);
            let files: Vec<String> = (0..OTHERS).map(other).collect();
            let paths: Paths = files.iter().map(|file| path(file)).collect();
            for _ in 0..2 {
                remote.read(None, &paths).await?;
                assert!(remote.cached_bytes().await <= bytes, "{kind:?} {bytes}");
            }
            let mut meter = Meter::new(&server);
            read(&server, &remote, VALUES).await?;
            read(&server, &remote, VALUES).await?;
            meter.take();
            read(&server, &remote, VALUES).await?;
            let (requests, _) = meter.take();
            assert!(expected.contains(&requests), "{kind:?} {bytes}: {requests}");
            set_tag(&remote, VALUES, &format!("5.{bytes}")).await?;
            server.commit("env", "main", &[("people", b"1")], "Others")?;
            set_tag(&remote, VALUES, &format!("6.{bytes}")).await?;
            assert!(remote.cached_bytes().await <= bytes, "{kind:?} {bytes}");
        }
        assert_eq!(server.count_commits("env", "main")?, 10);
        server.fsck("env")?;
    }
    Ok(())
}
