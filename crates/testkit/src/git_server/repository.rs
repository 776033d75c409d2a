//! What happens to repositories behind the server's back, by the git command line.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use super::GitServer;

/// Keeps the user's and the system's git configuration out, and git's messages in English.
pub(super) const ENVIRONMENT: [(&str, &str); 4] = [
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("LC_ALL", "C"),
];

/// The hash of a repository's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectFormat {
    /// What every repository has unless told otherwise.
    Sha1,
    /// The new one.
    Sha256,
}

/// A commit, as `git log` tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its id in hexadecimal.
    pub id: String,
    /// `Name <address>`.
    pub author: String,
    /// The first paragraph of its message.
    pub subject: String,
    /// The rest of its message.
    pub body: String,
    /// The ids of its parents.
    pub parents: Vec<String>,
}

/// Something to be put into a commit.
#[derive(Debug, Clone)]
pub enum Entry<'a> {
    /// A plain file.
    File(&'a str, &'a [u8]),
    /// A plain file whose name need not be text.
    Named(&'a [u8], &'a [u8]),
    /// A file with its executable bit set.
    Executable(&'a str, &'a [u8]),
    /// A symbolic link to a target.
    Symlink(&'a str, &'a str),
    /// A submodule at a commit.
    Submodule(&'a str, &'a str),
    /// A file or directory that goes away.
    Delete(&'a str),
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeEntry {
    /// Its mode, such as `100644`.
    pub mode: String,
    /// Its object's id in hexadecimal.
    pub id: String,
}

impl GitServer {
    /// Makes a repository whose default branch `main` has one commit with `files`; with no files
    /// it stays empty.
    pub fn create_repository(&self, name: &str, files: &[(&str, &[u8])]) -> Result<()> {
        self.create_repository_of(name, ObjectFormat::Sha1, files)
    }

    /// The same, with objects named by another hash.
    pub fn create_repository_of(
        &self,
        name: &str,
        format: ObjectFormat,
        files: &[(&str, &[u8])],
    ) -> Result<()> {
        let path = self.repository(name);
        std::fs::create_dir_all(&path).context("making the repository's directory")?;
        let format = match format {
            ObjectFormat::Sha1 => "--object-format=sha1",
            ObjectFormat::Sha256 => "--object-format=sha256",
        };
        run(
            &path,
            &["init", "--bare", "--quiet", "--initial-branch=main", format],
            b"",
        )?;
        let filter = self.allow_filter.to_string();
        for (key, value) in [
            ("http.receivepack", "true"),
            ("uploadpack.allowFilter", filter.as_str()),
            ("receive.fsckObjects", "true"),
            ("receive.autogc", "false"),
            ("gc.auto", "0"),
        ] {
            run(&path, &["config", key, value], b"")?;
        }
        if !files.is_empty() {
            self.commit(name, "main", files, "Start")?;
        }
        Ok(())
    }

    /// Commits files on a branch, as somebody else would; the branch is created if need be.
    /// Returns the commit's id.
    pub fn commit(
        &self,
        name: &str,
        branch: &str,
        files: &[(&str, &[u8])],
        message: &str,
    ) -> Result<String> {
        let entries: Vec<Entry<'_>> = files
            .iter()
            .map(|(path, content)| Entry::File(path, content))
            .collect();
        self.commit_entries(name, branch, &entries, message)
    }

    /// The same, for more than plain files.
    pub fn commit_entries(
        &self,
        name: &str,
        branch: &str,
        entries: &[Entry<'_>],
        message: &str,
    ) -> Result<String> {
        let path = self.repository(name);
        let reference = format!("refs/heads/{branch}");
        let mut stream = format!(
            "commit {reference}\ncommitter Somebody <somebody@example.org> 1700000000 +0000\n\
             data {}\n{message}\n",
            message.len()
        )
        .into_bytes();
        if run(
            &path,
            &["rev-parse", "--verify", "--quiet", &reference],
            b"",
        )
        .is_ok()
        {
            stream.extend_from_slice(format!("from {reference}^0\n").as_bytes());
        }
        for entry in entries {
            write_entry(&mut stream, entry);
        }
        stream.extend_from_slice(b"\ndone\n");
        run(&path, &["fast-import", "--quiet", "--done"], &stream)?;
        self.head(name, branch)
    }

    /// The commit a branch points to.
    pub fn head(&self, name: &str, branch: &str) -> Result<String> {
        let reference = format!("refs/heads/{branch}");
        text(run(
            &self.repository(name),
            &["rev-parse", "--verify", &reference],
            b"",
        )?)
    }

    /// The content of a file on a branch, or in a commit.
    pub fn show(&self, name: &str, revision: &str, path: &str) -> Result<Vec<u8>> {
        run(
            &self.repository(name),
            &["cat-file", "blob", &format!("{revision}:{path}")],
            b"",
        )
    }

    /// All files of a branch or commit.
    pub fn tree(&self, name: &str, revision: &str) -> Result<BTreeMap<String, TreeEntry>> {
        let listing = run(
            &self.repository(name),
            &["ls-tree", "-r", "-z", revision],
            b"",
        )?;
        let listing = String::from_utf8(listing).context("reading the tree")?;
        let mut entries = BTreeMap::new();
        for line in listing.split('\0').filter(|line| !line.is_empty()) {
            let (head, path) = line.split_once('\t').context("an entry without a path")?;
            let mut words = head.split(' ');
            let mode = words.next().context("an entry without a mode")?.to_owned();
            let id = words.nth(1).context("an entry without an id")?.to_owned();
            entries.insert(path.to_owned(), TreeEntry { mode, id });
        }
        Ok(entries)
    }

    /// The commits of a branch, the newest first.
    pub fn log(&self, name: &str, branch: &str) -> Result<Vec<Commit>> {
        let format = "--format=%H%x00%an <%ae>%x00%s%x00%b%x00%P%x01";
        let log = text(run(&self.repository(name), &["log", format, branch], b"")?)?;
        log.split('\u{1}')
            .map(str::trim_start)
            .filter(|record| !record.is_empty())
            .map(|record| {
                let fields: Vec<&str> = record.split('\0').collect();
                let [id, author, subject, body, parents] = fields[..] else {
                    bail!("a record of git log with {} fields", fields.len());
                };
                Ok(Commit {
                    id: id.to_owned(),
                    author: author.to_owned(),
                    subject: subject.to_owned(),
                    body: body.trim_end().to_owned(),
                    parents: parents.split_whitespace().map(str::to_owned).collect(),
                })
            })
            .collect()
    }

    /// A commit with its message and its changes, for people to look at.
    pub fn diff(&self, name: &str, revision: &str) -> Result<String> {
        let format = "--format=commit %H%nAuthor: %an <%ae>%n%n%w(0,4,4)%B";
        text(run(
            &self.repository(name),
            &["show", "--no-color", "--patch", format, revision],
            b"",
        )?)
    }

    /// How many commits a branch has.
    pub fn count_commits(&self, name: &str, branch: &str) -> Result<usize> {
        let count = text(run(
            &self.repository(name),
            &["rev-list", "--count", branch],
            b"",
        )?)?;
        count.parse().context("reading the count")
    }

    /// The names of the repository's branches.
    pub fn branches(&self, name: &str) -> Result<Vec<String>> {
        let format = "--format=%(refname:short)";
        let list = text(run(
            &self.repository(name),
            &["for-each-ref", format, "refs/heads"],
            b"",
        )?)?;
        Ok(list.lines().map(str::to_owned).collect())
    }

    /// Runs git in the repository as somebody, for what has no function here, and returns what it
    /// says.
    pub fn git(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let who = ["user.name=Somebody", "user.email=somebody@example.org"];
        let mut all = vec!["-c", who[0], "-c", who[1]];
        all.extend(arguments);
        text(run(&self.repository(name), &all, b"")?)
    }

    /// Checks all objects by git's strictest rules.
    pub fn fsck(&self, name: &str) -> Result<()> {
        let arguments = [
            "fsck",
            "--full",
            "--strict",
            "--no-dangling",
            "--no-progress",
        ];
        let findings = text(run(&self.repository(name), &arguments, b"")?)?;
        ensure!(findings.is_empty(), "git fsck of {name} found: {findings}");
        Ok(())
    }

    /// Makes a branch point to a branch of another repository, as a force-push does; what it had
    /// before is lost.
    pub fn force(&self, name: &str, branch: &str, from: &str, from_branch: &str) -> Result<()> {
        let source = self.repository(from);
        let source = source.to_str().context("the path is text")?;
        let refspec = format!("+{from_branch}:{branch}");
        let path = self.repository(name);
        run(
            &path,
            &["fetch", "--quiet", "--update-head-ok", source, &refspec],
            b"",
        )?;
        run(&path, &["gc", "--quiet", "--prune=now"], b"").map(drop)
    }

    /// Makes `HEAD` name a commit instead of a branch.
    pub fn detach(&self, name: &str, branch: &str) -> Result<()> {
        let commit = self.head(name, branch)?;
        run(
            &self.repository(name),
            &["update-ref", "--no-deref", "HEAD", &commit],
            b"",
        )
        .map(drop)
    }

    /// Changes the repository's configuration.
    pub fn configure(&self, name: &str, key: &str, value: &str) -> Result<()> {
        run(&self.repository(name), &["config", key, value], b"").map(drop)
    }

    /// Installs a hook, such as `pre-receive`, as a shell script.
    pub fn install_hook(&self, name: &str, hook: &str, script: &str) -> Result<()> {
        let path = self.repository(name).join("hooks").join(hook);
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).context("writing the hook")?;
        let permissions = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(&path, permissions).context("making the hook executable")
    }

    /// Removes a hook.
    pub fn remove_hook(&self, name: &str, hook: &str) -> Result<()> {
        let path = self.repository(name).join("hooks").join(hook);
        std::fs::remove_file(path).context("removing the hook")
    }
}

/// Appends an entry in the format of `git fast-import`.
fn write_entry(stream: &mut Vec<u8>, entry: &Entry<'_>) {
    let (mode, path, content) = match entry {
        Entry::File(path, content) => ("100644", path.as_bytes(), *content),
        Entry::Named(path, content) => ("100644", *path, *content),
        Entry::Executable(path, content) => ("100755", path.as_bytes(), *content),
        Entry::Symlink(path, target) => ("120000", path.as_bytes(), target.as_bytes()),
        Entry::Submodule(path, commit) => {
            stream.extend_from_slice(
                format!("M 160000 {commit} {}\n", quoted(path.as_bytes())).as_bytes(),
            );
            return;
        }
        Entry::Delete(path) => {
            stream.extend_from_slice(format!("D {}\n", quoted(path.as_bytes())).as_bytes());
            return;
        }
    };
    let head = format!("M {mode} inline {}\ndata {}\n", quoted(path), content.len());
    stream.extend_from_slice(head.as_bytes());
    stream.extend_from_slice(content);
    stream.push(b'\n');
}

/// Quotes a path as C would.
fn quoted(path: &[u8]) -> String {
    let mut text = String::from("\"");
    for byte in path {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b' '..=b'~' => text.push(char::from(*byte)),
            // Writing to a string cannot fail.
            _ => write!(text, "\\{byte:03o}").unwrap_or_default(),
        }
    }
    text.push('"');
    text
}

fn text(output: Vec<u8>) -> Result<String> {
    let text = String::from_utf8(output).context("git's output is not text")?;
    Ok(text.trim_end().to_owned())
}

/// Runs git in `directory` and returns its standard output.
fn run(directory: &Path, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the test server drives the real git"
    )]
    let mut command = Command::new("git");
    let mut child = command
        .args(arguments)
        .current_dir(directory)
        .envs(ENVIRONMENT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting git")?;
    let mut stdin = child.stdin.take().context("opening git's input")?;
    let output = std::thread::scope(|scope| {
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output()
    })
    .context("waiting for git")?;
    ensure!(
        output.status.success(),
        "git {arguments:?} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}
