//! The quickstart works: its commands are run in their order, against real servers in the place of those
//! that it names, and say what it says they do. A line that no rule knows fails.

use std::path::Path;
use std::process::Command;

use image_update_testkit::git_server::GitServer;
use image_update_testkit::registry::Registry;
use serde_json::Value;
use tempfile::TempDir;

use crate::cli::{Ran, run_with};
use crate::readme::blocks;
use crate::world::{GIT_PASSWORD, GIT_USER, World};

const PAGE: &str = include_str!("../../docs/guides/quickstart.md");

/// What the page calls things, and what they are called here.
struct Names(Vec<(&'static str, String)>);

impl Names {
    fn here(&self, text: &str) -> String {
        let names = self.0.iter();
        names.fold(text.to_owned(), |text, (there, here)| {
            text.replace(there, here)
        })
    }
}

/// A reader of the page, who does what it says.
struct Reader {
    world: World,
    folder: TempDir,
    names: Names,
    variables: Vec<(String, String)>,
    has_cluster: bool,
}

impl Reader {
    /// Runs a line of a `sh` block.
    async fn does(&mut self, line: &str) {
        let line = self.names.here(line);
        if let Some(variable) = line.strip_prefix("export ") {
            let (name, value) = variable.split_once('=').expect("it sets a variable");
            let value = value.trim_matches('"').to_owned();
            self.variables.push((name.to_owned(), value));
        } else if line == "image-update-operator crds | kubectl apply --server-side -f -" {
            // The tests' API server has them.
            self.has_cluster = true;
        } else if let Some(secret) = line.strip_prefix("kubectl create secret generic ") {
            let (name, literals) = secret.split_once(' ').expect("it has literals");
            let literals = literals.split(' ').map(|it| {
                let pair = it
                    .strip_prefix("--from-literal=")
                    .and_then(|it| it.split_once('='));
                let (key, value) = pair.expect("it is a literal");
                (key, value.trim_matches('"'))
            });
            self.world
                .secret(name, None, &literals.collect::<Vec<_>>())
                .await;
        } else if line == "kubectl apply -f podinfo.yaml" {
            let path = self.folder.path().join("podinfo.yaml");
            let text = std::fs::read_to_string(path).expect("the file was saved");
            for document in text.split("---\n") {
                let object: Value = serde_yaml::from_str(document).expect("it is YAML");
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
                self.world.apply(&kind, &name, object["spec"].clone()).await;
            }
        } else {
            assert_eq!(
                line, "image-update-operator run",
                "a command that no rule knows"
            );
            self.world.start_operator();
            self.world.policy_becomes("podinfo", "Succeeded").await;
        }
    }

    /// Runs the commands of a `console` block, and compares what they print.
    async fn sees(&self, text: &str) {
        for command in text.split("$ ").skip(1) {
            let (line, printed) = command.split_once('\n').expect("a command is a line");
            let words: Vec<&str> = line.split_whitespace().collect();
            let (program, arguments) = words.split_first().expect("a command has a name");
            assert_eq!(
                *program, "image-update-operator",
                "a command that no rule knows"
            );
            let ran = self.run(arguments);
            let is_pending = arguments[0] == "plan" && printed.contains("@@");
            assert_eq!(
                ran.code,
                Some(if is_pending { 3 } else { 0 }),
                "{line}: {ran:?}"
            );
            assert_eq!(ran.stderr, "", "{line}");
            assert_eq!(said(ran.text()), said(&self.names.here(printed)), "{line}");
            if arguments[0] == "pin" {
                // The page goes on when the operator has done it.
                let tag = if line.ends_with('-') {
                    "6.7.1"
                } else {
                    "6.7.0"
                };
                let world = &self.world;
                world
                    .until(&line, async || {
                        let status = world.policy_status("podinfo").await;
                        let found = status.images.first().and_then(|it| it.current.clone());
                        (found.as_deref() == Some(tag))
                            .then_some(())
                            .ok_or_else(|| format!("{found:?}"))
                    })
                    .await;
            }
        }
    }

    /// Runs a block that is for the reader's own shell.
    #[expect(clippy::disallowed_methods, reason = "only bash knows what bash reads")]
    fn types(&self, text: &str) {
        let folder = self.folder.path();
        let program = folder.join("image-update-operator");
        if !program.exists() {
            std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_image-update-operator"), program)
                .expect("a link can be made");
        }
        let output = Command::new("bash")
            .args(["--norc", "-euc", text])
            .env("HOME", folder)
            .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
            .output()
            .expect("bash is there");
        assert!(
            output.status.success() && output.stderr.is_empty(),
            "{text}: {output:?}"
        );
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let program = Path::new(env!("CARGO_BIN_EXE_image-update-operator"));
        let kubeconfig = self.world.server.kubeconfig().display().to_string();
        let variables = self.variables.iter();
        let mut variables: Vec<(&str, &str)> = variables
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let mut arguments = arguments.to_vec();
        if self.has_cluster {
            variables.push(("KUBECONFIG", &kubeconfig));
            arguments.extend(["-n", &self.world.namespace]);
        }
        run_with(program, self.folder.path(), &arguments, b"", &variables)
    }
}

/// The words of each line, without the ids of commits, and how long ago things were.
fn said(text: &str) -> Vec<Vec<&str>> {
    text.trim_end().lines().map(words).collect()
}

fn words(line: &str) -> Vec<&str> {
    let is_id = |word: &str| word.len() == 40 && word.chars().all(|it| it.is_ascii_hexdigit());
    let is_age = |word: &str| {
        let number = word.strip_suffix(['s', 'm']).unwrap_or_default();
        !number.is_empty() && number.chars().all(|it| it.is_ascii_digit())
    };
    line.split_whitespace()
        .filter(|word| !is_id(word) && !is_age(word))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_does_what_the_page_says() {
    let registry = Registry::start().await.expect("the registry starts");
    for tag in ["6.7.0", "6.7.1", "7.0.0"] {
        let pushed = registry.push("stefanprodan/podinfo", tag).await;
        pushed.expect("the image is pushed");
    }
    let git = GitServer::builder().basic_auth(GIT_USER, GIT_PASSWORD);
    let git = git.start().await.expect("the git server starts");
    let world = World::start().await;
    let url = git.url("environments");
    let host = url
        .strip_prefix("http://")
        .and_then(|it| it.split('/').next());
    let names = Names(vec![
        ("https://git.example.com/org/environments.git", url.clone()),
        (
            "git.example.com",
            host.expect("the address has a host").to_owned(),
        ),
        ("ghcr.io", registry.host()),
        ("$GIT_TOKEN", GIT_PASSWORD.to_owned()),
        ("\nargocd ", format!("\n{} ", world.namespace)),
        // Servers of tests speak plain HTTP.
        (
            "  interval: 2m\n",
            "  interval: 2m\n  insecure: true\n".to_owned(),
        ),
        (
            "      branch: main\n",
            "      branch: main\n      insecure: true\n".to_owned(),
        ),
    ]);
    let mut reader = Reader {
        folder: tempfile::tempdir().expect("a folder can be made"),
        world,
        names,
        variables: Vec::new(),
        has_cluster: false,
    };
    let mut seen = Vec::new();
    for block in blocks(PAGE) {
        match block.language.as_str() {
            "text" => {
                let file = reader.names.here(&block.text);
                let file = format!("resources:\n- deployment.yaml\n{file}\n");
                let path = "overlays/prod/kustomization.yaml";
                let made = git.create_repository("environments", &[(path, file.as_bytes())]);
                made.expect("the repository is made");
            }
            "yaml" => {
                let text = reader.names.here(&format!("{}\n", block.text));
                let path = reader.folder.path().join("podinfo.yaml");
                std::fs::write(path, text).expect("the file can be saved");
            }
            "sh" => {
                for line in block.text.lines() {
                    reader.does(line).await;
                }
            }
            "bash" => reader.types(&block.text),
            "console" => reader.sees(&block.text).await,
            other => assert_eq!(other, "", "a block of a language that no rule knows"),
        }
        seen.push(block.language);
    }
    assert_eq!(
        seen.iter().filter(|it| *it == "console").count(),
        5,
        "{seen:?}"
    );
}
