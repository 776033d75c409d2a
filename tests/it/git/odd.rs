//! Repositories with what is rare: files that git filters, names that are no text.

use anyhow::Result;
use image_update_operator::git::{
    error::PathError,
    update::{Paths, Receipt},
};
use image_update_testkit::git_server::{Entry, GitServer};

use super::{VALUES, check_path_error, path, remote, request, server, set_tag};

#[tokio::test]
async fn files_that_git_filters_are_refused() -> Result<()> {
    for allow_filter in [true, false] {
        let server = server(allow_filter).await?;
        let attributes: [(&str, &[u8]); 3] = [
            (
                ".gitattributes",
                b"* text=auto\n*.yaml filter=git-crypt diff=git-crypt\n",
            ),
            ("apps/shop/.gitattributes", b"values.yaml -filter\n"),
            ("apps/notes.txt", b"tag: 1\n"),
        ];
        server.commit("env", "main", &attributes, "Encrypt")?;
        let remote = remote(&server, "env")?;

        for file in [
            "apps/bank/values.yaml",
            "apps/shop/other.yaml",
            "apps/new/new.yaml",
        ] {
            let error = remote.read(None, &request(&[file]).paths).await;
            let error = error.expect_err("it is filtered");
            check_path_error(&error, file, PathError::Filtered);
        }
        // What is not filtered, or no more.
        for file in [VALUES, "apps/notes.txt"] {
            let receipt = set_tag(&remote, file, "2").await?;
            assert!(matches!(receipt, Receipt::Pushed { .. }), "{receipt:?}");
        }
        // In a folder, such files are left out.
        let folder = Paths {
            folders: vec![path("apps").into()],
            ..Paths::default()
        };
        let snapshot = remote.read(None, &folder).await?;
        assert_eq!(snapshot.files.keys().collect::<Vec<_>>(), [&path(VALUES)]);
        server.fsck("env")?;
    }
    Ok(())
}

#[tokio::test]
async fn names_that_are_no_text_are_kept_as_they_are() -> Result<()> {
    for allow_filter in [true, false] {
        let server = server(allow_filter).await?;
        let entries = [
            Entry::Named(b"apps/shop/caf\xe9.yaml", b"latin: 1\n"),
            Entry::Named(b"apps/\xff\xfe/values.yaml", b"tag: 1\n"),
            Entry::Named(b"apps/shop/new\nline", b"x"),
        ];
        server.commit_entries("env", "main", &entries, "Odd names")?;
        let listed = |server: &GitServer| server.git("env", &["ls-tree", "-r", "main"]);
        let before = listed(&server)?;
        let remote = remote(&server, "env")?;

        set_tag(&remote, VALUES, "2").await?;
        let after = listed(&server)?;
        let kept = |text: &str| {
            let lines = text.lines().filter(|line| !line.ends_with(VALUES));
            lines.map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(kept(&before), kept(&after));
        assert!(
            after.contains(r"caf\351.yaml") && after.contains(r"apps/\377\376/"),
            "{after}"
        );

        // They are no paths of ours, so a folder has them not.
        let folder = Paths {
            folders: vec![path("apps").into()],
            ..Paths::default()
        };
        let snapshot = remote.read(None, &folder).await?;
        let names: Vec<_> = snapshot.files.keys().map(ToString::to_string).collect();
        assert_eq!(
            names,
            ["apps/bank/values.yaml", "apps/shop/other.yaml", VALUES]
        );
        server.fsck("env")?;
    }
    Ok(())
}
