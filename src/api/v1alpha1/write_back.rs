//! Where a policy writes: git with its targets and commits, or Applications.

#![expect(
    unreachable_pub,
    reason = "KubeSchema repeats each type inside a function"
)]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::common::LocalObjectReference;

/// Where the chosen tags are written: exactly one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.git) != has(self.argocd)").message("set exactly one of git (a commit) and argocd (the Application's own parameters)"))]
#[serde(rename_all = "camelCase")]
pub struct WriteBackSpec {
    /// A commit in a git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitWriteBack>,

    /// The parameters of the Application itself: Helm parameters, Kustomize images, or the
    /// environment of a plugin, by the type of its source. Whoever owns the Application (an
    /// ApplicationSet, another Application) may put them back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argocd: Option<ArgocdWriteBack>,
}

/// The parameters of the Application itself.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArgocdWriteBack {}

/// A commit in a git repository.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("!has(self.repository) || !self.repository.startsWith('http://') || (has(self.insecure) && self.insecure)").message("a plain http:// repository needs insecure: true, because whoever is on the way can read the credential"))]
#[serde(rename_all = "camelCase")]
pub struct GitWriteBack {
    /// The repository's address over HTTPS or SSH, without credentials. Examples:
    /// `https://git.example.com/org/environments.git`,
    /// `ssh://git@git.example.com:2222/org/environments.git`,
    /// `git@git.example.com:org/environments.git`. Unset: the repository of the Application's
    /// source; without `applications` it has to be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new("self.matches('^(https?://[^/@]+/|ssh://([A-Za-z0-9._-]+@)?[^/@]+/|[A-Za-z0-9._-]+@[^/@]+:).+')").message("repository is an https:// or ssh:// address without credentials, such as https://git.example.com/org/repository.git or git@git.example.com:org/repository.git; credentials stand in credentials.secretRef"))]
    pub repository: Option<String>,

    /// The branch that is read and written. Unset: the branch that the Application's source
    /// follows, else the remote's default branch. It must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 244))]
    pub branch: Option<String>,

    /// Where commits go, if not to `branch` itself: for changes that people review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<PushSpec>,

    /// As whom the remote is asked. Unset: anonymous.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<CredentialsSpec>,

    /// Allows plain HTTP and certificates that nobody vouches for. Default `false`.
    #[serde(default)]
    pub insecure: bool,

    /// The files to write.
    #[schemars(length(min = 1, max = 16))]
    pub targets: Vec<TargetSpec>,

    /// How commits look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitSpec>,
}

/// Where commits go.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PushSpec {
    /// The branch to push to: a name, or a template for one in Go's text/template with `.AppName`
    /// (the policy), `.AppNamespace`, `.Images` (each with `.Name`, `.Alias`, `.OldTag`,
    /// `.NewTag`), `.SHA256` (of all changes) and `.TargetKey` (of repository, branch and paths).
    /// It is made from `branch` if it is not there. While it contains the tip of `branch`, commits
    /// are added to it; when it falls behind, it is made anew, unless that would lose a commit that
    /// is not the operator's. Example: `image-updates/{{.SHA256}}`.
    #[schemars(length(min = 1, max = 4096))]
    #[x_kube(validation = Rule::new(r"self.contains('{{') || !self.matches(r'[ ~^:?*\[\\]')").message(r"push.branch is the name of a branch, or a template with {{…}}: no spaces and none of ~ ^ : ? * [ \"))]
    pub branch: String,
}

/// As whom a git remote is asked: exactly one.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.secretRef) != has(self.argocd)").message("set exactly one of credentials.secretRef and credentials.argocd"))]
#[serde(rename_all = "camelCase")]
pub struct CredentialsSpec {
    /// A Secret of this namespace, with one of: `username` and `password`; `bearerToken`; for SSH,
    /// a private key in `identity`, `sshPrivateKey` or `ssh-privatekey` with `known_hosts`, and
    /// its `passphrase` (or `password`) if it has one; for a GitHub App, `githubAppID`,
    /// `githubAppInstallationID` and `githubAppPrivateKey`, and outside of github.com
    /// `githubAppBaseURL` (or `githubAppEnterpriseBaseUrl`). For HTTPS besides, `ca.crt` for a
    /// server whose certificate a private authority signed; `tls.crt` and `tls.key` (or
    /// `tlsClientCertData` and `tlsClientCertKey`) for one that asks for a certificate; `proxy`,
    /// and `noProxy`. Over SSH, the server's key must be in `known_hosts`, as `ssh-keyscan` prints
    /// it and hashed or not; with another port than 22, as `[host]:port`. Without `repository` it is
    /// shown to the remotes below its key `url`, or if it has none, to one server only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,

    /// What Argo CD itself has for the repository: its repository Secret, else the credential
    /// template with the longest address above it, of the same scheme and host; servers are
    /// verified by Argo CD's known hosts and certificates. For policies of Argo CD's namespace; for
    /// others, if the operator runs with `--argocd-credentials=all` and they have `applications`.
    /// The project of each Application has to permit the repository, and Applications of its
    /// namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argocd: Option<ArgocdCredentialsSpec>,
}

/// Argo CD's own credentials. There is nothing to set.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub struct ArgocdCredentialsSpec {}

/// A file to write: exactly one.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[x_kube(validation = Rule::new("[has(self.kustomization), has(self.helmValues), has(self.argocdSource), has(self.manifests)].filter(set, set).size() == 1").message("set exactly one target: kustomization, helmValues, argocdSource or manifests"))]
#[serde(rename_all = "camelCase")]
pub struct TargetSpec {
    /// The `images` of a kustomization.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomization: Option<KustomizationTarget>,

    /// Values of a Helm chart, at the keys that each image's `helm` names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helm_values: Option<HelmValuesTarget>,

    /// The override file of an Application, which Argo CD reads beside its source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argocd_source: Option<ArgocdSourceTarget>,

    /// Plain Kubernetes manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<ManifestsTarget>,
}

impl TargetSpec {
    /// The path, as it is written; nothing if there is none.
    pub fn path(&self) -> Option<&str> {
        let kustomization = self.kustomization.as_ref().map(|it| it.path.as_str());
        let helm_values = self.helm_values.as_ref().map(|it| it.path.as_str());
        let manifests = self.manifests.as_ref().map(|it| it.path.as_str());
        let argocd_source = self.argocd_source.as_ref();
        kustomization
            .or(helm_values)
            .or(manifests)
            .or_else(|| argocd_source?.path.as_deref())
    }
}

/// Plain Kubernetes manifests: every place in them that names the image is written.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManifestsTarget {
    /// A file, or a folder with all `.yaml` and `.yml` files below it, 5,000 at most. With
    /// `applications` it is relative to the Application's source, and with a leading `/` or
    /// without `applications` it starts at the repository's root. `.` is the folder itself;
    /// `$name/` is the root of the repository of the source with that `ref`. Example: `apps/shop`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.matches('(^|/)[.][.](/|$)')").message("path must not leave the repository: '..' is not allowed"))]
    pub path: String,

    /// Which values are written. Default `Containers`.
    #[serde(default)]
    pub images: ManifestImages,
}

/// Which values of manifests are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum ManifestImages {
    /// The `image` of containers and init containers that run the repository, wherever a pod
    /// template stands.
    #[default]
    Containers,
    /// Every field named `image` that holds the repository, so that custom resources count.
    Fields,
    /// Values with a comment behind them as Flux has it, `# {"$imagepolicy": "namespace:name"}`:
    /// the namespace is that of the policy; the name is the alias of the image, or the policy's
    /// name if it has one image. `:tag`, `:name` or `:digest` behind it takes that part.
    Marked,
}

/// The override file of an Application. It is made if it is missing.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArgocdSourceTarget {
    /// The file, relative to the Application's source; from the repository's root with a leading
    /// `/`. Unset: `.argocd-source-<name>.yaml`, or `.argocd-source-<namespace>_<name>.yaml` for
    /// an Application outside of Argo CD's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.matches('(^|/)[.][.](/|$)')").message("path must not leave the repository: '..' is not allowed"))]
    pub path: Option<String>,
}

/// Values of a Helm chart.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmValuesTarget {
    /// The values file. With `applications` it is relative to the Application's source, and with a
    /// leading `/` or without `applications` it starts at the repository's root; `$name/` is the
    /// root of the repository of the source with that `ref`. Examples: `apps/shop/values.yaml`,
    /// `$values/shop/values.yaml`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.matches('(^|/)[.][.](/|$)')").message("path must not leave the repository: '..' is not allowed"))]
    pub path: String,
}

/// The `images` of a kustomization.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationTarget {
    /// The folder of the kustomization, or the file itself. With `applications` it is relative to
    /// the Application's source, and with a leading `/` or without `applications` it starts at
    /// the repository's root. `.` is the folder itself; `$name/` is the root of the repository of
    /// the source with that `ref`. Example: `overlays/prod`.
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new("!self.matches('(^|/)[.][.](/|$)')").message("path must not leave the repository: '..' is not allowed"))]
    pub path: String,
}

/// How commits look.
#[derive(Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitSpec {
    /// Author and committer. Default: the operator's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<CommitAuthor>,

    /// The message, in Go's text/template with `.AppName` (the policy; several in a commit of a
    /// batch), `.AppNamespace`, `.AppChanges` (each with `.Image`, `.OldTag`, `.NewTag`), `.Images`
    /// and `.SHA256`. Default: `build: automatic update of {{ .AppName }}` with a line for each
    /// change. Example: `chore: update{{range .AppChanges}} {{.Image}} to {{.NewTag}}{{end}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub message: Option<String>,

    /// What shares a commit, of all that is written in one push. Default `PerPolicy`.
    #[serde(default)]
    pub granularity: Granularity,

    /// Signs commits. Unset: they are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<SigningSpec>,

    /// Adds a `Signed-off-by` line with the author's name to messages. Default `false`.
    #[serde(default)]
    pub sign_off: bool,
}

/// What shares a commit.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
pub enum Granularity {
    /// Each policy has a commit of its own.
    #[default]
    PerPolicy,
    /// Each Application of a policy has a commit of its own, whose message names it. What several
    /// of them change in one file is in the commit of the first one.
    PerApplication,
    /// Policies of the same author, message, key and sign-off that wait for a push share a commit.
    Batch,
}

/// What commits are signed with.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningSpec {
    /// A Secret of this namespace with an OpenPGP private key in `git.asc`, or an SSH private key
    /// in `identity`, `sshPrivateKey` or `ssh-privatekey`, and its `passphrase` if it has one.
    pub secret_ref: LocalObjectReference,
}

/// Author and committer of the commits.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommitAuthor {
    /// The name. Example: `Release Robot`.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[^<>\n\x00]+$"))]
    pub name: String,
    /// The address. Example: `robot@example.com`.
    #[schemars(length(min = 1, max = 254), regex(pattern = r"^[^<>\s\x00]+$"))]
    pub email: String,
}
