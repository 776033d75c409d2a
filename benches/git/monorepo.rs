//! The repository that is measured: 10,000 applications, each with its values and its chart, and
//! 2,000 commits that change one of them each.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use image_update_testkit::git_server::GitServer;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

pub(crate) const APPLICATIONS: usize = 10_000;
pub(crate) const COMMITS: usize = 2_000;
pub(crate) const NAME: &str = "mono";

/// The values of an application.
pub(crate) fn values_file(index: usize) -> String {
    let index = index % APPLICATIONS;
    format!("{}/values.yaml", folder(index))
}

pub(crate) fn folder(index: usize) -> String {
    format!("apps/team-{:03}/app-{index:05}", index / 100)
}

/// Puts the repository onto a server. It is made once and kept beside what cargo builds.
pub(crate) async fn serve(server: &GitServer) -> anyhow::Result<()> {
    let kept = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("monorepo.git");
    if !kept.exists() {
        println!("making a repository of {APPLICATIONS} applications and {COMMITS} commits");
        let new = kept.with_extension("new");
        if new.exists() {
            std::fs::remove_dir_all(&new).context("remove what is half done")?;
        }
        make(&new).await?;
        std::fs::rename(&new, &kept).context("keep the repository")?;
    }
    server.create_repository(NAME, &[])?;
    let kept = kept.display().to_string();
    server.git(NAME, &["fetch", "--quiet", &kept, "main:main"])?;
    Ok(())
}

async fn make(folder: &Path) -> anyhow::Result<()> {
    let name = folder.display().to_string();
    git(
        Path::new("."),
        &["init", "--quiet", "--bare", "--initial-branch=main", &name],
        &[],
    )
    .await?;
    git(folder, &["fast-import", "--quiet"], &history()).await?;
    // As a server's maintenance leaves it.
    git(folder, &["repack", "-adbq"], &[]).await
}

/// All commits, in the language of git-fast-import(1).
fn history() -> Vec<u8> {
    let mut stream = Vec::new();
    commit(&mut stream, "Start");
    for index in 0..APPLICATIONS {
        file(&mut stream, &values_file(index), &values(index, "1.0.0"));
        let chart = format!("apiVersion: v2\nname: app-{index}\nversion: 1.0.0\n");
        file(
            &mut stream,
            &format!("{}/Chart.yaml", folder(index)),
            &chart,
        );
    }
    for number in 1..COMMITS {
        commit(&mut stream, "Update");
        let index = number * 41 % APPLICATIONS;
        let values = values(index, &format!("1.0.{number}"));
        file(&mut stream, &values_file(index), &values);
    }
    stream.extend_from_slice(b"done\n");
    stream
}

fn commit(stream: &mut Vec<u8>, message: &str) {
    let author = "Bench <bench@example.com> 1700000000 +0000";
    let head = format!(
        "commit refs/heads/main\ncommitter {author}\ndata {}\n",
        message.len()
    );
    stream.extend_from_slice(head.as_bytes());
    stream.extend_from_slice(message.as_bytes());
    stream.push(b'\n');
}

fn file(stream: &mut Vec<u8>, path: &str, content: &str) {
    let head = format!("M 100644 inline {path}\ndata {}\n", content.len());
    stream.extend_from_slice(head.as_bytes());
    stream.extend_from_slice(content.as_bytes());
    stream.push(b'\n');
}

/// Values of 4 kB that don't compress well, as real ones with digests and certificates.
fn values(index: usize, tag: &str) -> String {
    let mut text = format!("image:\n  repository: registry.example/app-{index}\n  tag: {tag}\n");
    let mut state = index as u64 + 1;
    for line in 0..64 {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Writing to a String does not fail.
        writeln!(
            text,
            "key{line}: \"{state:016x}{:016x}\"",
            state.rotate_left(31)
        )
        .ok();
    }
    text
}

async fn git(folder: &Path, arguments: &[&str], input: &[u8]) -> anyhow::Result<()> {
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(std::process::Stdio::piped())
        .spawn()
        .context("run git")?;
    let mut stdin = child.stdin.take().context("open git's input")?;
    stdin.write_all(input).await.context("write to git")?;
    drop(stdin);
    let status = child.wait().await.context("wait for git")?;
    anyhow::ensure!(status.success(), "git {arguments:?} failed");
    Ok(())
}
