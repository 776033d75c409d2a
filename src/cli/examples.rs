//! What stands under a command's flags in its help: a line or two that do something. They are parsed by
//! the test below; `tests/it/cli/shell.rs` runs those that need no server.

use std::fmt::Write as _;

use clap::Command;

/// The word in the place of the name by which the program is called.
const PROGRAM: &str = "PROGRAM";

/// A command, and what it is good for with a line that does that.
type Examples = (
    &'static [&'static str],
    &'static [(&'static str, &'static str)],
);

const EXAMPLES: [Examples; 23] = [
    (
        &["run"],
        &[
            (
                "For two namespaces, by the kubeconfig",
                "PROGRAM run --watch-namespaces=team-a,team-b",
            ),
            (
                "On registries and git servers of one domain only",
                "PROGRAM run --allowed-hosts='*.example.com,ghcr.io'",
            ),
        ],
    ),
    (
        &["test"],
        &[
            (
                "The newest 1.x of nginx from 1.27 on",
                "PROGRAM test nginx:^1.27",
            ),
            (
                "The image of a branch that was built last",
                "PROGRAM test ghcr.io/org/app --strategy=newest-build --allow-tags='regexp:^main-'",
            ),
        ],
    ),
    (
        &["explain"],
        &[
            (
                "Which of two tags is the best, and why not the other",
                "printf '1.0.0\\n1.1.0\\n' | PROGRAM explain --strategy=semver --tags-from=-",
            ),
            (
                "The same about a policy of a cluster",
                "PROGRAM explain policy team-a/shop",
            ),
        ],
    ),
    (
        &["explain", "policy"],
        &[(
            "Why that tag of one image",
            "PROGRAM explain policy team-a/shop --image=web",
        )],
    ),
    (
        &["edit", "helm-values"],
        &[(
            "In place, by the keys of a chart",
            "PROGRAM edit helm-values values.yaml --set image.tag=1.20.0 -i",
        )],
    ),
    (
        &["edit", "kustomization"],
        &[(
            "Another tag, and another name",
            "PROGRAM edit kustomization kustomization.yaml --image nginx=quay.io/org/nginx:1.27",
        )],
    ),
    (
        &["edit", "argocd-source"],
        &[(
            "A Helm parameter in an override file",
            "PROGRAM edit argocd-source .argocd-source-shop.yaml --helm image.tag=1.20.0",
        )],
    ),
    (
        &["edit", "manifests"],
        &[(
            "Wherever containers run the image",
            "PROGRAM edit manifests deployment.yaml --image nginx:1.27.2",
        )],
    ),
    (
        &["edit", "markers"],
        &[(
            "The values before a marker of Flux",
            "PROGRAM edit markers deployment.yaml --policy flux-system:web=nginx:1.27.2",
        )],
    ),
    (
        &["template", "commit"],
        &[("The default message", "PROGRAM template commit")],
    ),
    (
        &["template", "branch"],
        &[(
            "A branch of its own for each change",
            "PROGRAM template branch 'image-updates/{{.SHA256}}'",
        )],
    ),
    (
        &["get"],
        &[
            ("Policies of one namespace", "PROGRAM get -n team-a"),
            (
                "Everything everywhere, for a program",
                "PROGRAM get -A --watches -o json",
            ),
        ],
    ),
    (
        &["suspend"],
        &[("A policy and a watch", "PROGRAM suspend shop watch/podinfo")],
    ),
    (&["resume"], &[("The policy again", "PROGRAM resume shop")]),
    (
        &["reconcile"],
        &[(
            "Tags now, not at the next interval",
            "PROGRAM reconcile watch/podinfo",
        )],
    ),
    (
        &["pin"],
        &[
            ("Stop one image at a tag", "PROGRAM pin shop web=1.4.2"),
            ("Let it go again", "PROGRAM pin shop web-"),
        ],
    ),
    (
        &["release"],
        &[(
            "After a revert in git that was a mistake",
            "PROGRAM release shop",
        )],
    ),
    (
        &["plan"],
        &[
            (
                "What would be written for the objects of a folder",
                "PROGRAM plan -f objects/",
            ),
            (
                "For a program, with a password from the environment",
                "PROGRAM plan -f objects/ --git-credentials=git.example.com=env:GIT_LOGIN -o json",
            ),
        ],
    ),
    (
        &["apply"],
        &[(
            "Write it, and keep what was read for the next time",
            "PROGRAM apply -f objects/ --cache-dir=.image-updates",
        )],
    ),
    (
        &["convert"],
        &[(
            "From a cluster into a file",
            "kubectl get applications -n argocd -o yaml | PROGRAM convert -f - > policies.yaml",
        )],
    ),
    (
        &["crds"],
        &[(
            "Into a cluster",
            "PROGRAM crds | kubectl apply --server-side -f -",
        )],
    ),
    (
        &["completion"],
        &[
            ("Bash, in ~/.bashrc", "source <(PROGRAM completion bash)"),
            (
                "Fish",
                "PROGRAM completion fish > ~/.config/fish/completions/image-update-operator.fish",
            ),
        ],
    ),
    (
        &["man"],
        &[(
            "One command's page",
            "PROGRAM man edit helm-values | man -l -",
        )],
    ),
];

/// Adds each command's examples to its help, for a program that is called by this name.
pub(super) fn added(command: Command, program: &str) -> Command {
    EXAMPLES.iter().fold(command, |command, (path, examples)| {
        let text = text(examples, program);
        super::at(command, path, &|it| it.after_help(text.clone()))
    })
}

fn text(examples: &[(&str, &str)], program: &str) -> String {
    let mut text = "Examples:".to_owned();
    for (what, line) in examples {
        let line = line.replace(PROGRAM, program);
        // Writing to a String does not fail.
        write!(text, "\n  # {what}\n  {line}").ok();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The program's own words of a line: without what is piped, redirected and quoted.
    fn words(line: &str) -> Vec<String> {
        let start = line.find(PROGRAM).expect("an example calls the program");
        let end = line[start..]
            .find([')', '|', '>'])
            .map_or(line.len(), |at| start + at);
        let words = line[start..end].split_whitespace();
        words.map(|word| word.replace('\'', "")).collect()
    }

    #[test]
    fn every_example_is_a_command_line() {
        for (path, examples) in EXAMPLES {
            for (_, line) in examples {
                let words = words(line);
                let parsed = crate::cli::command().try_get_matches_from(&words);
                assert!(parsed.is_ok(), "{line}: {:?}", parsed.err());
                let is_its_own = words.iter().any(|it| it == path[path.len() - 1]);
                assert!(is_its_own, "{line} is no example of {path:?}");
                // Clap breaks longer lines, and what is broken can't be copied.
                let shown = line.replace(PROGRAM, "image-update-operator");
                assert!(shown.len() <= 98, "{shown}: {}", shown.len());
            }
        }
    }

    #[test]
    fn every_command_has_one() {
        fn check(command: &Command, path: &str) {
            let below: Vec<&Command> = command.get_subcommands().collect();
            let has_one = command.get_after_help().is_some() || path == " version";
            assert!(has_one || !below.is_empty(), "no example of{path}");
            for command in below {
                check(command, &format!("{path} {}", command.get_name()));
            }
        }
        check(&crate::cli::command(), "");
    }
}
