//! The remotes that Argo CD knows: its repository Secrets, known hosts, certificates and projects.
//!
//! Only read, and only from Argo CD's own namespace. What stands in a Secret is not understood
//! here, and never shown.

use std::collections::BTreeMap;

use image_update_core::argocd::repository::{self, Entry, EntryKind};
use image_update_core::remote::RemoteUrl;
use image_update_core::secret::SecretData;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::ListParams;
use kube::{Api, Client, CustomResource, ResourceExt as _};
use serde::{Deserialize, Serialize};

use crate::request_error::RequestError;

/// The label that says what a Secret is for.
const KIND_LABEL: &str = "argocd.argoproj.io/secret-type";

/// The `ConfigMap` with the keys of SSH servers.
const KNOWN_HOSTS: &str = "argocd-ssh-known-hosts-cm";

/// The key that has them there, and by which they are handed on.
const KNOWN_HOSTS_KEY: &str = "ssh_known_hosts";

/// The `ConfigMap` with the certificates of servers, by host.
const CERTIFICATES: &str = "argocd-tls-certs-cm";

/// The key by which a certificate is handed on.
const CERTIFICATE_KEY: &str = "ca.crt";

/// The keys one of which is there if a Secret holds a credential. A repository without takes all
/// that it lacks from a template.
const CREDENTIAL_KEYS: [&str; 6] = [
    "username",
    "password",
    "bearerToken",
    "sshPrivateKey",
    "githubAppPrivateKey",
    "gcpServiceAccountKey",
];

/// The user of a password without one, as in Argo CD.
const DEFAULT_USER: &str = "x-access-token";

/// The spec of a project, reduced to what it permits.
#[derive(CustomResource, Clone, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[kube(
    group = "argoproj.io",
    version = "v1alpha1",
    kind = "AppProject",
    namespaced,
    schema = "disabled"
)]
#[serde(rename_all = "camelCase", default)]
pub struct AppProjectSpec {
    /// Patterns of addresses; those with `!` forbid.
    pub source_repos: Vec<String>,
    /// Globs of the namespaces, besides Argo CD's own, whose Applications may be of the project.
    pub source_namespaces: Vec<String>,
}

/// What of an Application its project does not permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forbidden {
    /// That it is of the project: its namespace is not among `sourceNamespaces`.
    Namespace,
    /// The remote: it is not among `sourceRepos`, or there is no such project.
    Remote,
}

/// What Argo CD knows of remotes. Has no `Debug`: it holds secrets.
pub struct Repositories {
    /// Sorted by name.
    secrets: Vec<RepositorySecret>,
    known_hosts: Option<Vec<u8>>,
    certificates: BTreeMap<String, String>,
    projects: BTreeMap<String, AppProjectSpec>,
    /// Argo CD's own, whose Applications may be of every project.
    namespace: String,
}

struct RepositorySecret {
    kind: EntryKind,
    url: String,
    project: Option<String>,
    data: SecretData,
}

/// Argo CD's namespace could not be read.
#[derive(Debug, thiserror::Error)]
#[error("could not read {what} of Argo CD in namespace {namespace}{}", way_out(.source))]
pub struct ReadError {
    /// What was to be read.
    pub what: &'static str,
    /// Argo CD's namespace.
    pub namespace: String,
    /// What the API server said.
    #[source]
    pub source: RequestError,
}

/// The right is given to the operator by whoever installs it, and not without being asked.
fn way_out(error: &RequestError) -> &'static str {
    if error.code() == Some(403) {
        " (the right comes with argocd.repositoryCredentials of the chart, or config/argocd-repositories)"
    } else {
        ""
    }
}

impl Repositories {
    /// Reads all of it, in four requests.
    pub async fn read(kube: &Client, namespace: &str) -> Result<Self, ReadError> {
        let failed = |what| {
            move |source| ReadError {
                what,
                namespace: namespace.to_owned(),
                source: RequestError::new(source),
            }
        };
        let kinds = format!("{KIND_LABEL} in (repository,repo-creds)");
        let secrets: Api<Secret> = Api::namespaced(kube.clone(), namespace);
        let maps: Api<ConfigMap> = Api::namespaced(kube.clone(), namespace);
        let projects: Api<AppProject> = Api::namespaced(kube.clone(), namespace);
        let labelled = ListParams::default().labels(&kinds);
        let everything = ListParams::default();
        let (secrets, known_hosts, certificates, projects) = tokio::join!(
            secrets.list(&labelled),
            maps.get_opt(KNOWN_HOSTS),
            maps.get_opt(CERTIFICATES),
            projects.list(&everything),
        );
        let map = |map: Option<ConfigMap>| map.and_then(|it| it.data).unwrap_or_default();
        let known_hosts = map(known_hosts.map_err(failed("ConfigMap argocd-ssh-known-hosts-cm"))?);
        let certificates = certificates.map_err(failed("ConfigMap argocd-tls-certs-cm"))?;
        let secrets = secrets.map_err(failed("the repository Secrets"))?;
        let projects = projects.map_err(failed("the AppProjects"))?.items;
        Ok(Self {
            known_hosts: known_hosts
                .get(KNOWN_HOSTS_KEY)
                .map(|text| text.as_bytes().to_vec()),
            certificates: map(certificates),
            projects: projects
                .into_iter()
                .map(|it| (it.name_any(), it.spec))
                .collect(),
            namespace: namespace.to_owned(),
            ..Self::of_secrets(secrets.items)
        })
    }

    fn of_secrets(mut secrets: Vec<Secret>) -> Self {
        secrets.sort_by_cached_key(kube::ResourceExt::name_any);
        Self {
            secrets: secrets
                .into_iter()
                .filter_map(RepositorySecret::of)
                .collect(),
            known_hosts: None,
            certificates: BTreeMap::new(),
            projects: BTreeMap::new(),
            namespace: String::new(),
        }
    }

    /// Whether a project is there, and permits a remote to an Application of `namespace` that says
    /// it is of it.
    pub fn permits(
        &self,
        project: &str,
        namespace: &str,
        remote: &RemoteUrl,
    ) -> Result<(), Forbidden> {
        let project = self.projects.get(project).ok_or(Forbidden::Remote)?;
        let is_own = namespace == self.namespace;
        if !is_own && !repository::permits_namespace(&project.source_namespaces, namespace) {
            return Err(Forbidden::Namespace);
        }
        if repository::permits(&project.source_repos, remote) {
            Ok(())
        } else {
            Err(Forbidden::Remote)
        }
    }

    /// What Argo CD has for a remote, as one Secret would have it; nothing if it has no Secret for
    /// it. Those of a project serve no other than `project`.
    pub fn secret(&self, remote: &RemoteUrl, project: Option<&str>) -> Option<SecretData> {
        let entries: Vec<Entry<'_>> = self.secrets.iter().map(RepositorySecret::entry).collect();
        let found = repository::find(remote, project, &entries);
        let data = |index: Option<usize>| Some(&self.secrets.get(index?)?.data);
        let repository = data(found.repository);
        let template = data(found.template);
        let mut merged = match (repository, template) {
            (Some(own), Some(template)) if !CREDENTIAL_KEYS.iter().any(|it| has(own, it)) => {
                let mut merged = template.clone();
                let filled = own.iter().filter(|(_, value)| !value.is_empty());
                merged.extend(filled.map(|(key, value)| (key.clone(), value.clone())));
                merged
            }
            (Some(own), _) => own.clone(),
            (None, Some(template)) => template.clone(),
            (None, None) => return None,
        };
        if has(&merged, "password") && !has(&merged, "username") {
            merged.insert("username".to_owned(), DEFAULT_USER.into());
        }
        if let Some(known_hosts) = &self.known_hosts
            && has(&merged, "sshPrivateKey")
        {
            merged.insert(KNOWN_HOSTS_KEY.to_owned(), known_hosts.clone());
        }
        if let Some(certificate) = self.certificates.get(remote.host()) {
            merged.insert(CERTIFICATE_KEY.to_owned(), certificate.clone().into());
        }
        Some(merged)
    }
}

impl RepositorySecret {
    /// Nothing for those of Helm and OCI repositories, and those without an address.
    fn of(secret: Secret) -> Option<Self> {
        let kind = match secret.labels().get(KIND_LABEL)?.as_str() {
            "repository" => EntryKind::Repository,
            "repo-creds" => EntryKind::Template,
            _ => return None,
        };
        let data = secret.data.unwrap_or_default();
        let data: SecretData = data.into_iter().map(|(key, it)| (key, it.0)).collect();
        let text = |key: &str| {
            let text = std::str::from_utf8(data.get(key)?).ok()?.trim();
            (!text.is_empty()).then(|| text.to_owned())
        };
        if text("type").is_some_and(|it| it != "git") {
            return None;
        }
        Some(Self {
            kind,
            url: text("url")?,
            project: text("project"),
            data,
        })
    }

    fn entry(&self) -> Entry<'_> {
        Entry {
            kind: self.kind,
            url: &self.url,
            project: self.project.as_deref(),
        }
    }
}

/// Whether a key is there. What is empty is not: templates leave such keys behind.
fn has(data: &SecretData, key: &str) -> bool {
    data.get(key).is_some_and(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn repository_without_a_credential_takes_that_of_its_template() {
        check(
            &[
                (
                    "repository",
                    "url=https://git.example/org/env proxy=p username=",
                ),
                (
                    "repo-creds",
                    "url=https://git.example/org username=u password=p proxy=t",
                ),
            ],
            Some("password=p proxy=p url=https://git.example/org/env username=u"),
        );
        check(
            &[
                (
                    "repository",
                    "url=https://git.example/org/env bearerToken=b",
                ),
                (
                    "repo-creds",
                    "url=https://git.example username=u password=p",
                ),
            ],
            Some("bearerToken=b url=https://git.example/org/env"),
        );
    }

    #[test]
    fn password_without_a_user_is_a_token() {
        check(
            &[("repo-creds", "url=https://git.example password=p")],
            Some("password=p url=https://git.example username=x-access-token"),
        );
    }

    #[test]
    fn secrets_of_other_things_are_passed_over() {
        check(&[], None);
        let own = "url=https://git.example/org/env password=p";
        check(&[("cluster", own)], None);
        check(&[("repository", &format!("{own} type=helm"))], None);
        check(&[("repository", "username=u password=p")], None);
        check(&[("repository", &format!("{own} project=bank"))], None);
    }

    #[test]
    fn known_hosts_and_certificates_are_added_where_they_are_of_use() {
        let mut known = Repositories::of_secrets(vec![
            secret("repo-creds", "url=ssh://git@git.example sshPrivateKey=k"),
            secret(
                "repo-creds",
                "url=https://git.example username=u password=p",
            ),
        ]);
        known.known_hosts = Some(b"hosts".to_vec());
        known.certificates = [("git.example".to_owned(), "pem".to_owned())].into();
        let of = |remote: &str| known.secret(&remote.parse().expect("an address"), None);
        let ssh = of("git@git.example:org/env").expect("a Secret");
        assert_eq!(ssh.get("ssh_known_hosts"), Some(&b"hosts".to_vec()));
        let https = of("https://git.example/org/env").expect("a Secret");
        assert_eq!(https.get("ssh_known_hosts"), None);
        assert_eq!(https.get("ca.crt"), Some(&b"pem".to_vec()));
    }

    #[test]
    fn project_permits_a_remote_to_its_own_applications_only() {
        let mut known = Repositories::of_secrets(Vec::new());
        known.namespace = "argocd".to_owned();
        let spec = AppProjectSpec {
            source_repos: vec!["https://git.example/org/*".to_owned()],
            source_namespaces: vec!["shop-*".to_owned()],
        };
        known.projects = [("shop".to_owned(), spec)].into();
        for (project, namespace, remote, expected) in [
            ("shop", "argocd", "https://git.example/org/env", Ok(())),
            ("shop", "shop-a", "https://git.example/org/env", Ok(())),
            (
                "shop",
                "bank",
                "https://git.example/org/env",
                Err(Forbidden::Namespace),
            ),
            (
                "shop",
                "shop-a",
                "https://git.example/x/env",
                Err(Forbidden::Remote),
            ),
            (
                "gone",
                "argocd",
                "https://git.example/org/env",
                Err(Forbidden::Remote),
            ),
        ] {
            let remote = remote.parse().expect("the row's remote is an address");
            let found = known.permits(project, namespace, &remote);
            assert_eq!(found, expected, "{project} {namespace} {remote}");
        }
    }

    fn secret(kind: &str, data: &str) -> Secret {
        let pairs = data.split(' ').filter_map(|pair| pair.split_once('='));
        let data: serde_json::Map<String, Value> = pairs
            .map(|(key, value)| {
                let bytes = k8s_openapi::ByteString(value.into());
                (key.to_owned(), json!(bytes))
            })
            .collect();
        let labels = json!({KIND_LABEL: kind});
        serde_json::from_value(json!({"metadata": {"labels": labels}, "data": data}))
            .expect("a Secret")
    }

    /// Secrets are their kinds and `key=value` pairs; the Application is of the project `shop`.
    #[track_caller]
    fn check(secrets: &[(&str, &str)], expected: Option<&str>) {
        let secrets = secrets.iter().map(|(kind, data)| secret(kind, data));
        let known = Repositories::of_secrets(secrets.collect());
        let remote = "https://git.example/org/env.git";
        let remote = remote.parse().expect("an address");
        let found = known.secret(&remote, Some("shop")).map(|data| {
            let pairs = data.iter();
            let pairs = pairs.map(|(key, it)| format!("{key}={}", String::from_utf8_lossy(it)));
            pairs.collect::<Vec<_>>().join(" ")
        });
        assert_eq!(found.as_deref(), expected);
    }
}
