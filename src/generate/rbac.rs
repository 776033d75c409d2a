//! The rights that the operator needs: one table, of which the roles of `config`, those of the chart
//! and the page about them are made.
//!
//! What is not in the table is not granted. A test runs the operator with these rights, and compares
//! the audit log with the table.

use std::fmt::Write as _;

use super::GeneratedFile;
use crate::api::v1alpha1::GROUP;

/// The name of every object that an installation without Helm consists of.
const NAME: &str = "image-update-operator";

const HEADER: &str = "# Generated from src/generate/rbac.rs; `make generate` writes it anew.\n";

/// What the name of the role for Argo CD's repositories ends with, and where it is, unless the
/// installation of Argo CD or its user says otherwise.
const REPOSITORIES: &str = "-repositories\n  namespace: argocd";

/// Rights on the resources of one API group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// What they are part of.
    pub part: Part,
    /// The API group; empty for the core.
    pub group: &'static str,
    /// Resources, or subresources as `resource/subresource`.
    pub resources: &'static [&'static str],
    /// The only objects that are meant; empty: all.
    pub names: &'static [&'static str],
    /// What may be done with them.
    pub verbs: &'static [&'static str],
    /// What the operator does so.
    pub purpose: &'static str,
}

/// Rights that are given or left out together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// In every namespace that is looked at.
    Watched,
    /// In these, too, where only some Secrets may be read: the one right that names them.
    Secrets,
    /// In these, too, if there are Argo CD Applications.
    Applications,
    /// In these, too, if webhooks are received.
    Webhooks,
    /// In the namespace of Argo CD, for policies with its repository credentials.
    ArgocdRepositories,
    /// In the operator's own namespace, for replicas that stand by.
    LeaderElection,
}

/// All rights; those of a part stand together.
pub const RIGHTS: [Right; 17] = [
    Right {
        part: Part::Watched,
        group: GROUP,
        resources: &["imagewatches", "imageupdatepolicies"],
        names: &[],
        verbs: &["list", "watch"],
        purpose: "Follows the objects that it works for.",
    },
    Right {
        part: Part::Watched,
        group: GROUP,
        resources: &["imagewatches/status", "imageupdatepolicies/status"],
        names: &[],
        verbs: &["patch"],
        purpose: "Says in their statuses what it did, or why it did not.",
    },
    Right {
        part: Part::Watched,
        group: "events.k8s.io",
        resources: &["events"],
        names: &[],
        verbs: &["create"],
        purpose: "Tells of updates and failures.",
    },
    Right {
        part: Part::Watched,
        group: "",
        resources: &["events"],
        names: &[],
        verbs: &["create"],
        purpose: "Tells of updates of annotated Applications as argocd-image-updater did.",
    },
    Right {
        part: Part::Watched,
        group: "",
        resources: &["serviceaccounts"],
        names: &[],
        verbs: &["get"],
        purpose: "Finds the pull secrets of `serviceAccountName`.",
    },
    Right {
        part: Part::Watched,
        group: "",
        resources: &["namespaces"],
        names: &[],
        verbs: &["get"],
        purpose: "Reads the labels that `accessFrom` of a watch selects namespaces by.",
    },
    Right {
        part: Part::Secrets,
        group: "",
        resources: &["secrets"],
        names: &[],
        verbs: &["get"],
        purpose: "Reads the Secrets that objects and the file about registries name.",
    },
    Right {
        part: Part::Applications,
        group: "argoproj.io",
        resources: &["applications"],
        names: &[],
        verbs: &["get", "list", "watch", "patch"],
        purpose: "Follows Applications that policies select; `get` and `patch` write those of \
                  `writeBack.argocd`, and `patch` asks Argo CD to look at what was pushed.",
    },
    Right {
        part: Part::Applications,
        group: GROUP,
        resources: &["imagewatches", "imageupdatepolicies"],
        names: &[],
        verbs: &["create", "patch", "delete"],
        purpose: "Makes what annotations of argocd-image-updater say, and removes it with them.",
    },
    Right {
        part: Part::Applications,
        group: "coordination.k8s.io",
        resources: &["leases"],
        names: &[],
        verbs: &["list"],
        purpose: "Sees whether argocd-image-updater still runs; nothing is converted then.",
    },
    Right {
        part: Part::Applications,
        group: "apps",
        resources: &["deployments"],
        names: &[],
        verbs: &["list"],
        purpose: "The same, for one without a Lease.",
    },
    Right {
        part: Part::Applications,
        group: "argocd-image-updater.argoproj.io",
        resources: &["imageupdaters"],
        names: &[],
        verbs: &["list"],
        purpose: "Warns that objects of argocd-image-updater have no effect here, if there are any.",
    },
    Right {
        part: Part::Webhooks,
        group: GROUP,
        resources: &["imagewatches", "imageupdatepolicies"],
        names: &[],
        verbs: &["patch"],
        purpose: "Asks for a look by an annotation when a registry tells of a push.",
    },
    Right {
        part: Part::ArgocdRepositories,
        group: "",
        resources: &["secrets"],
        names: &[],
        verbs: &["list"],
        purpose: "Reads the repository Secrets, which have a label and any name.",
    },
    Right {
        part: Part::ArgocdRepositories,
        group: "",
        resources: &["configmaps"],
        names: &["argocd-ssh-known-hosts-cm", "argocd-tls-certs-cm"],
        verbs: &["get"],
        purpose: "Verifies git servers as Argo CD does.",
    },
    Right {
        part: Part::ArgocdRepositories,
        group: "argoproj.io",
        resources: &["appprojects"],
        names: &[],
        verbs: &["list"],
        purpose: "Sees whether the project of an Application permits its repository.",
    },
    Right {
        part: Part::LeaderElection,
        group: "coordination.k8s.io",
        resources: &["leases"],
        names: &[],
        verbs: &["get", "create", "update"],
        purpose: "Agrees with other replicas on who works.",
    },
];

impl Part {
    const ALL: [Self; 6] = [
        Self::Watched,
        Self::Secrets,
        Self::Applications,
        Self::Webhooks,
        Self::ArgocdRepositories,
        Self::LeaderElection,
    ];

    /// The name of the chart's template with the rules.
    fn template(self) -> &'static str {
        match self {
            Self::Watched => "watched",
            Self::Secrets => "secrets",
            Self::Applications => "applications",
            Self::Webhooks => "webhooks",
            Self::ArgocdRepositories => "argocdRepositories",
            Self::LeaderElection => "leaderElection",
        }
    }

    /// Where the rights hold, for people.
    fn place(self) -> &'static str {
        match self {
            Self::Watched | Self::Secrets => "namespaces that are looked at",
            Self::Applications => "the same, if there is Argo CD",
            Self::Webhooks => "the same, if webhooks are received",
            Self::ArgocdRepositories => "Argo CD's namespace, for `credentials.argocd`",
            Self::LeaderElection => "the operator's own namespace",
        }
    }

    fn rights(self) -> impl Iterator<Item = &'static Right> {
        RIGHTS.iter().filter(move |right| right.part == self)
    }
}

/// The roles for kustomize, the rules for the chart, and the page.
pub(super) fn files() -> Vec<GeneratedFile> {
    let watched = [Part::Watched, Part::Secrets, Part::Applications];
    let cluster = role("ClusterRole", "", &watched);
    let namespaced = role("Role", "", &watched);
    let argocd = role("Role", REPOSITORIES, &[Part::ArgocdRepositories]);
    let leader = role("Role", "-leader-election", &[Part::LeaderElection]);
    vec![
        file("config/rbac/cluster_role.yaml", cluster),
        file("config/namespaced/role.yaml", namespaced),
        file("config/argocd-repositories/role.yaml", argocd),
        file("config/leader-election/role.yaml", leader),
        file(
            "charts/image-update-operator/templates/_rules.tpl",
            chart_rules(),
        ),
        file("docs/reference/permissions.md", page()),
    ]
}

fn file(path: &'static str, content: String) -> GeneratedFile {
    GeneratedFile { path, content }
}

/// A role with the rights of `parts`; `name` ends its name and may go on with its namespace.
fn role(kind: &str, name: &str, parts: &[Part]) -> String {
    let mut text = format!(
        "{HEADER}apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {NAME}{name}\nrules:\n"
    );
    for right in parts.iter().flat_map(|part| part.rights()) {
        rule(right, &mut text);
    }
    text
}

/// The rules as named templates, one a part.
fn chart_rules() -> String {
    let mut text =
        "{{- /* Generated from src/generate/rbac.rs; `make generate` writes it anew. */ -}}\n"
            .to_owned();
    for part in Part::ALL {
        // Writing to a String does not fail.
        writeln!(
            text,
            "{{{{- define \"{NAME}.rules.{}\" -}}}}",
            part.template()
        )
        .ok();
        for right in part.rights() {
            rule(right, &mut text);
        }
        text.push_str("{{- end }}\n");
    }
    text
}

fn rule(right: &Right, text: &mut String) {
    let list = |items: &[&str]| {
        let quoted: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
        format!("[{}]", quoted.join(", "))
    };
    writeln!(text, "# {}", right.purpose).ok();
    writeln!(text, "- apiGroups: {}", list(&[right.group])).ok();
    writeln!(text, "  resources: {}", list(right.resources)).ok();
    if !right.names.is_empty() {
        writeln!(text, "  resourceNames: {}", list(right.names)).ok();
    }
    writeln!(text, "  verbs: {}", list(right.verbs)).ok();
}

const INTRODUCTION: &str = "\
# Permissions

Generated from the table that the roles of the chart and of `config/` are made of; `make generate`
writes it anew. A test runs the operator with these rights alone and compares what it asked with what
it may.

The operator may do nothing else. In cluster mode the rights of \"namespaces that are looked at\" are a
ClusterRole, else a Role in each of them.

| API group | Resources | Verbs | Where | What for |
|---|---|---|---|---|
";

fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    let list = |items: &[&str]| format!("`{}`", items.join("`, `"));
    for right in &RIGHTS {
        let group = if right.group.is_empty() {
            "core"
        } else {
            right.group
        };
        let names = if right.names.is_empty() {
            String::new()
        } else {
            format!(" {}", list(right.names))
        };
        writeln!(
            text,
            "| {group} | {}{names} | {} | {} | {} |",
            list(right.resources),
            list(right.verbs),
            right.part.place(),
            right.purpose
        )
        .ok();
    }
    text
}
