//! What is fetched, what is written, and what is left alone.

use std::convert::Infallible;

use anyhow::Result;
use image_update_operator::git::{
    error::PathError,
    update::{Paths, Receipt, Snapshot, UpdateRequest},
};
use image_update_testkit::git_server::{Entry, GitServer, ObjectFormat};

use super::{
    FILES, PASSWORD, USER, VALUES, branch, check_path_error, draft, path, refused_write, remote,
    request, server, set_tag, with_tag,
};

#[tokio::test]
async fn change_is_pushed_over_tls_with_basic_auth() -> Result<()> {
    let server = GitServer::builder()
        .tls()
        .basic_auth(USER, PASSWORD)
        .start()
        .await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    let parent = server.head("env", "main")?;

    let receipt = set_tag(&remote, VALUES, "1.1.0").await?;

    let commit_id = server.head("env", "main")?;
    let Receipt::Pushed {
        branch,
        commit_id: id,
        commits,
        parent: on,
        attempts,
        files,
    } = receipt
    else {
        anyhow::bail!("nothing was pushed");
    };
    assert_eq!((branch.as_str(), attempts), ("main", 1));
    assert_eq!(
        (id.to_string(), on.to_string()),
        (commit_id.clone(), parent.clone())
    );
    assert_eq!(commits, [Some(id)]);
    assert_eq!(files, [path(VALUES)]);
    assert_eq!(
        server.show("env", "main", VALUES)?,
        b"image:\n  tag: 1.1.0\n"
    );
    let log = server.log("env", "main")?;
    assert_eq!(log[0].id, commit_id);
    assert_eq!(log[0].parents, [parent]);
    assert_eq!(log[0].author, "Updater <updater@example.org>");
    assert_eq!(log[0].subject, "Update shop");
    assert_eq!(log[0].body, "to 1.1.0");
    server.fsck("env")
}

#[tokio::test]
async fn unchanged_poll_is_one_request_and_warm_write_is_two() -> Result<()> {
    for allow_filter in [true, false] {
        let server = server(allow_filter).await?;
        let remote = remote(&server, "env")?;
        set_tag(&remote, VALUES, "1.1.0").await?;

        let before = server.requests();
        let receipt = set_tag(&remote, VALUES, "1.1.0").await?;
        assert!(matches!(receipt, Receipt::UpToDate { .. }), "{receipt:?}");
        assert_eq!(server.requests() - before, 1, "an unchanged poll");

        let before = server.requests();
        let receipt = set_tag(&remote, VALUES, "1.2.0").await?;
        assert!(matches!(receipt, Receipt::Pushed { .. }), "{receipt:?}");
        assert_eq!(server.requests() - before, 2, "a warm write");

        assert_eq!(server.count_commits("env", "main")?, 3);
        server.fsck("env")?;
    }
    Ok(())
}

#[tokio::test]
async fn cold_read_fetches_only_the_trees_and_files_on_the_way() -> Result<()> {
    let server = GitServer::builder().start().await?;
    let large = vec![b'x'; 300_000];
    let mut files = FILES.to_vec();
    let names: Vec<String> = (0..300)
        .map(|index| format!("apps/app-{index}/file"))
        .collect();
    files.extend(names.iter().map(|name| (name.as_str(), large.as_slice())));
    server.create_repository("env", &files)?;

    let snapshot = remote(&server, "env")?
        .read(None, &Paths::from_iter([path(VALUES)]))
        .await?;

    assert_eq!(snapshot.files[&path(VALUES)].as_deref(), Some(FILES[3].1));
    // Capabilities, refs, commit, three levels of trees, file.
    assert_eq!(server.requests(), 7);
    assert!(
        server.bytes_down() < 20_000,
        "{} bytes",
        server.bytes_down()
    );
    Ok(())
}

#[tokio::test]
async fn only_the_intended_path_differs_and_modes_are_kept() -> Result<()> {
    for allow_filter in [true, false] {
        let server = server(allow_filter).await?;
        let entries = [
            Entry::Executable("apps/shop/run.sh", b"tag: 1\n"),
            Entry::Symlink("apps/shop/link", "../bank"),
            Entry::Submodule(
                "apps/shop/module",
                "1111111111111111111111111111111111111111",
            ),
            Entry::File("apps/shop/with \"quotes\" and ünïcode", b"x"),
            Entry::File("apps/shop.d/a", b"x"),
            Entry::File("apps/shop0", b"x"),
        ];
        server.commit_entries("env", "main", &entries, "More kinds of entries")?;
        let before = server.tree("env", "main")?;
        let remote = remote(&server, "env")?;

        for file in [VALUES, "apps/shop/run.sh"] {
            let old = server.tree("env", "main")?;
            set_tag(&remote, file, "2").await?;
            let new = server.tree("env", "main")?;
            let changed: Vec<_> = new
                .iter()
                .filter(|(name, it)| old.get(*name) != Some(it))
                .collect();
            assert_eq!(changed.len(), 1, "{changed:?}");
            assert_eq!(changed[0].0, file);
            assert_eq!(changed[0].1.mode, before[file].mode);
            assert_eq!(new.len(), old.len());
        }
        assert_eq!(
            server.tree("env", "main")?["apps/shop/run.sh"].mode,
            "100755"
        );
        server.fsck("env")?;
    }
    Ok(())
}

#[tokio::test]
async fn new_files_are_created_with_their_directories() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    let new = [
        ("apps/shop/.argocd-source-shop.yaml", &b"a"[..]),
        ("apps/new/deep/er/file.yaml", b"b"),
        ("apps/shop.yaml", b"c"),
        ("zzz", b""),
    ];
    let asked = ["apps/shop/.argocd-source-shop.yaml"];
    let receipt = remote
        .update(&request(&asked), |snapshot| {
            assert_eq!(snapshot.files[&path(asked[0])], None);
            Ok::<_, Infallible>(Some(draft(&new, "1")))
        })
        .await?;

    assert!(
        matches!(&receipt, Receipt::Pushed { files, .. } if files.len() == 4),
        "{receipt:?}"
    );
    let tree = server.tree("env", "main")?;
    assert_eq!(tree.len(), FILES.len() + new.len());
    for (name, content) in new {
        assert_eq!(server.show("env", "main", name)?, content, "{name}");
        assert_eq!(tree[name].mode, "100644", "{name}");
    }
    server.fsck("env")
}

#[tokio::test]
async fn nothing_to_change_makes_no_commit() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    let remote = remote(&server, "env")?;
    let head = server.head("env", "main")?;

    let no_draft = remote
        .update(&request(&[VALUES]), |_| Ok::<_, Infallible>(None))
        .await?;
    let same = set_tag(&remote, VALUES, "1.0.0").await?;
    let empty = remote
        .update(&request(&[VALUES]), |_| {
            Ok::<_, Infallible>(Some(draft(&[], "1")))
        })
        .await?;

    for receipt in [no_draft, same, empty] {
        assert_eq!(receipt.commit_id().to_string(), head);
        assert!(matches!(receipt, Receipt::UpToDate { .. }), "{receipt:?}");
    }
    assert_eq!(server.head("env", "main")?, head);
    Ok(())
}

#[tokio::test]
async fn named_branch_is_read_and_written() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository("env", FILES)?;
    server.commit("env", "next", &[(VALUES, b"tag: 5\n")], "Elsewhere")?;
    // A prefix of the branch's name, to be told apart.
    server.commit("env", "next-year", &[(VALUES, b"tag: 6\n")], "Elsewhere")?;
    let remote = remote(&server, "env")?;
    let main = server.head("env", "main")?;

    let request = UpdateRequest {
        branch: Some(branch("next")),
        paths: Paths::from_iter([path(VALUES)]),
        ..UpdateRequest::default()
    };
    let decide = |snapshot: &Snapshot| Ok::<_, Infallible>(with_tag(snapshot, VALUES, "7"));
    let receipt = remote.update(&request, decide).await?;

    assert_eq!(receipt.branch(), &branch("next"));
    assert_eq!(server.show("env", "next", VALUES)?, b"tag: 7\n");
    assert_eq!(server.head("env", "main")?, main);
    assert_eq!(server.branches("env")?, ["main", "next", "next-year"]);
    server.fsck("env")
}

#[tokio::test]
async fn sha256_repository_is_read_and_written() -> Result<()> {
    let server = GitServer::builder().start().await?;
    server.create_repository_of("env", ObjectFormat::Sha256, FILES)?;
    let remote = remote(&server, "env")?;

    for tag in ["1.1.0", "1.2.0"] {
        let receipt = set_tag(&remote, VALUES, tag).await?;
        assert_eq!(receipt.commit_id().to_string(), server.head("env", "main")?);
        assert_eq!(receipt.commit_id().to_string().len(), 64);
    }
    assert_eq!(
        server.show("env", "main", VALUES)?,
        b"image:\n  tag: 1.2.0\n"
    );
    server.fsck("env")
}

#[tokio::test]
async fn change_in_a_large_directory_is_a_small_push() -> Result<()> {
    let server = GitServer::builder().start().await?;
    let names: Vec<String> = (0..5000)
        .map(|index| format!("apps/app-{index:05}/v.yaml"))
        .collect();
    let contents: Vec<String> = (0..5000)
        .map(|index| format!("n: {index}\ntag: 1\n"))
        .collect();
    let files: Vec<(&str, &[u8])> = names
        .iter()
        .zip(&contents)
        .map(|(name, it)| (name.as_str(), it.as_bytes()))
        .collect();
    server.create_repository("env", &files)?;
    let remote = remote(&server, "env")?;
    let file = names[2500].as_str();
    remote.read(None, &Paths::from_iter([path(file)])).await?;

    let before = server.bytes_up();
    set_tag(&remote, file, "2").await?;

    let sent = server.bytes_up() - before;
    assert!(sent < 1500, "{sent} bytes for one edit");
    assert_eq!(server.show("env", "main", file)?, b"n: 2500\ntag: 2\n");
    server.fsck("env")
}

#[tokio::test]
async fn hundreds_of_commits_in_a_large_directory_are_one_small_push() -> Result<()> {
    let server = GitServer::builder().start().await?;
    let names: Vec<String> = (0..2000)
        .map(|index| format!("apps/app-{index:05}/v.yaml"))
        .collect();
    // All alike, so that what one commit replaces is in use elsewhere.
    let (old, new): (&[u8], &[u8]) = (b"tag: 1\n", b"tag: 2\n");
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), old)).collect();
    server.create_repository("env", &files)?;
    let remote = remote(&server, "env")?;
    let there = names[..400].iter().map(|name| draft(&[(name, new)], "2"));
    let back = names[..100].iter().map(|name| draft(&[(name, old)], "1"));
    let drafts: Vec<_> = there.chain(back).collect();
    let before = server.bytes_up();

    let receipt = remote
        .update_all(&request(&[]), |_| Ok::<_, Infallible>(drafts.clone()))
        .await?;

    assert!(matches!(receipt, Receipt::Pushed { .. }), "{receipt:?}");
    assert_eq!(server.count_commits("env", "main")?, 1 + drafts.len());
    let sent = server.bytes_up() - before;
    assert!(sent < 500 * 1024, "{sent} bytes");
    for (index, expected) in [(0, old), (99, old), (100, new), (399, new), (400, old)] {
        assert_eq!(server.show("env", "main", &names[index])?, expected);
    }
    server.fsck("env")
}

#[tokio::test]
async fn paths_that_are_no_plain_files_are_refused() -> Result<()> {
    for allow_filter in [true, false] {
        let server = server(allow_filter).await?;
        let large = vec![b'x'; 5 * 1024 * 1024 + 1];
        let entries = [
            Entry::Symlink("link", "/etc/passwd"),
            Entry::Symlink("apps/alias", "shop"),
            Entry::Submodule("module", "1111111111111111111111111111111111111111"),
            Entry::File(
                "pointer",
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            ),
            Entry::File("large", &large),
        ];
        server.commit_entries("env", "main", &entries, "Traps")?;
        let remote = remote(&server, "env")?;
        let head = server.head("env", "main")?;
        for (file, at, expected) in [
            ("link", "link", PathError::Symlink),
            ("apps/alias", "apps/alias", PathError::Symlink),
            ("apps/alias/values.yaml", "apps/alias", PathError::Symlink),
            ("module", "module", PathError::Submodule),
            ("module/values.yaml", "module", PathError::Submodule),
            ("apps", "apps", PathError::Directory),
            ("apps/shop", "apps/shop", PathError::Directory),
            ("README.md/values.yaml", "README.md", PathError::File),
        ] {
            let read = remote
                .read(None, &Paths::from_iter([path(file)]))
                .await
                .expect_err("refused to read");
            check_path_error(&read, at, expected);
            let write = refused_write(&remote, &[(file, b"x")]).await;
            check_path_error(&write, at, expected);
        }
        for (file, expected) in [
            ("pointer", PathError::LfsPointer),
            ("large", PathError::TooLarge),
        ] {
            let read = remote
                .read(None, &Paths::from_iter([path(file)]))
                .await
                .expect_err("refused to read");
            check_path_error(&read, file, expected);
        }
        let too_large = refused_write(&remote, &[("new", &large)]).await;
        check_path_error(&too_large, "new", PathError::TooLarge);
        let both = refused_write(&remote, &[("new", b"x"), ("new/file", b"x")]).await;
        check_path_error(&both, "new", PathError::FileAndDirectory);
        assert_eq!(server.head("env", "main")?, head);
    }
    Ok(())
}

#[tokio::test]
async fn yaml_files_of_a_folder_are_read_and_nothing_that_is_not_a_plain_file() -> Result<()> {
    let server = GitServer::builder().start().await?;
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    server.create_repository("env", &[("README.md", b"")])?;
    let entries = [
        Entry::File("apps/a.yaml", b"a: 1\n"),
        Entry::File("apps/deep/er/b.YML", b"b: 1\n"),
        Entry::File("apps/notes.txt", b"no\n"),
        Entry::Symlink("apps/link.yaml", "../secret.yaml"),
        Entry::File("apps/pointer.yaml", pointer.as_bytes()),
        Entry::File("secret.yaml", b"s: 1\n"),
        Entry::File("one.yaml", b"o: 1\n"),
    ];
    server.commit_entries("env", "main", &entries, "all kinds")?;
    let remote = remote(&server, "env")?;
    let folders = ["apps", "one.yaml", "no/such/folder"];
    let paths = Paths {
        files: vec![path("none.yaml")],
        folders: folders.map(|it| path(it).into()).into(),
    };

    let snapshot = remote.read(None, &paths).await?;
    let found: Vec<_> = snapshot
        .files
        .iter()
        .map(|(path, content)| (path.as_str(), content.is_some()))
        .collect();
    assert_eq!(
        found,
        [
            ("apps/a.yaml", true),
            ("apps/deep/er/b.YML", true),
            ("none.yaml", false),
            ("one.yaml", true),
        ]
    );

    let before = server.requests();
    remote.read(None, &paths).await?;
    assert_eq!(
        server.requests() - before,
        1,
        "an unchanged poll is one request"
    );
    Ok(())
}
