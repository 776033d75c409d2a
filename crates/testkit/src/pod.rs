//! Does for a Deployment what its controller, the scheduler and a node would do, but for the container:
//! its program runs as a process of this machine, with the arguments, the environment, the volumes and the
//! token that the pod would have.
//!
//! What is left out, because it takes a network namespace or a container's file system: ports and probes,
//! limits, the security context, and the files at `/var/run/secrets` by which a pod finds its API server.
//! A kubeconfig takes the place of those.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::api::{Api, PostParams};
use kube::{Client, core::ObjectMeta};
use serde_json::Value;
use tempfile::TempDir;

use crate::apiserver::{self, ApiServer};
use crate::process::{self, Launch};

/// Why there is no pod.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server does not serve us.
    #[error(transparent)]
    ApiServer(apiserver::Error),
    /// The API server did not give what the pod needs.
    #[error("the API server did not give {what} {namespace}/{name}")]
    Api {
        /// The kind of what was asked for.
        what: &'static str,
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What the server said.
        #[source]
        source: Box<kube::Error>,
    },
    /// A volume, or the kubeconfig, could not be written.
    #[error("could not write what is mounted")]
    Mount(#[source] io::Error),
    /// The Deployment asks for what is not done here.
    #[error("{what} of the Deployment is not known to the testkit")]
    Unknown {
        /// The field, with its value.
        what: String,
    },
}

/// A pod with one container.
#[derive(Debug)]
pub struct Pod {
    name: String,
    user: String,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    folder: TempDir,
}

impl Pod {
    /// A pod of `deployment`, which has been applied to `server` with all that it names.
    ///
    /// `name` is what follows the Deployment's name in the pod's, as its controller makes it up.
    pub async fn of(server: &ApiServer, deployment: &Value, name: &str) -> Result<Self, Error> {
        let folder = tempfile::tempdir().map_err(Error::Mount)?;
        let namespace = text(&deployment["metadata"]["namespace"]);
        let name = format!("{}-{name}", text(&deployment["metadata"]["name"]));
        let spec = &deployment["spec"]["template"]["spec"];
        let container = &spec["containers"][0];
        let kube = server.client().await.map_err(Error::ApiServer)?;

        let account = text(&spec["serviceAccountName"]);
        let token = token(&kube, namespace, account).await?;
        let kubeconfig = server.kubeconfig_with_token(&token, namespace);
        let kubeconfig = kubeconfig.map_err(Error::ApiServer)?;
        fs::write(folder.path().join("kubeconfig"), kubeconfig).map_err(Error::Mount)?;

        let mut mounts = Vec::new();
        for volume in list(&spec["volumes"]) {
            let place = folder.path().join(text(&volume["name"]));
            fill(&kube, namespace, volume, &place).await?;
            let mount = list(&container["volumeMounts"])
                .iter()
                .find(|mount| mount["name"] == volume["name"]);
            mounts.extend(mount.map(|mount| (text(&mount["mountPath"]).to_owned(), place)));
        }
        let arguments = list(&container["args"])
            .iter()
            .map(|argument| mounted(text(argument), &mounts))
            .collect();
        let environment = list(&container["env"])
            .iter()
            .map(|variable| variable_of(variable, &name, namespace))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            user: format!("system:serviceaccount:{namespace}:{account}"),
            name,
            arguments,
            environment,
            folder,
        })
    }

    /// The pod's name, which is its host's, too.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Who it is to the API server.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The arguments of its program.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Gives a flag another value than the Deployment does, where a process of this machine can't have
    /// that of a pod.
    #[must_use]
    pub fn flag(mut self, name: &str, value: &str) -> Self {
        let start = format!("{name}=");
        self.arguments.retain(|it| !it.starts_with(&start));
        self.arguments.push(format!("{start}{value}"));
        self
    }

    /// Its process, about to be started. It may be started again and again, as a container is, and
    /// needs the pod as long as it runs: volumes and token go away with that.
    pub fn launch(&self, name: &'static str, program: PathBuf) -> Result<Launch, process::Error> {
        let kubeconfig = self.folder.path().join("kubeconfig");
        let launch = Launch::new(name, program)?
            .args(self.arguments.iter().cloned())
            .env("HOSTNAME", self.name.clone())
            .env("KUBECONFIG", kubeconfig.display().to_string());
        let variables = self.environment.iter();
        Ok(variables.fold(launch, |launch, (name, value)| launch.env(name, value)))
    }
}

/// A token of a ServiceAccount, as a node gets one for a pod.
async fn token(kube: &Client, namespace: &str, account: &str) -> Result<String, Error> {
    let request = TokenRequest {
        metadata: ObjectMeta::default(),
        // Those of the API server itself.
        spec: TokenRequestSpec::default(),
        status: None,
    };
    let answer = Api::<ServiceAccount>::namespaced(kube.clone(), namespace)
        .create_token_request(account, &PostParams::default(), &request)
        .await
        .map_err(refused("a token of the ServiceAccount", namespace, account))?;
    Ok(answer.status.map(|status| status.token).unwrap_or_default())
}

/// Makes the folder of a volume.
async fn fill(kube: &Client, namespace: &str, volume: &Value, place: &Path) -> Result<(), Error> {
    fs::create_dir(place).map_err(Error::Mount)?;
    let mut files = Vec::new();
    if let Some(name) = volume.pointer("/configMap/name").map(text) {
        let api = Api::<ConfigMap>::namespaced(kube.clone(), namespace);
        let found = api.get(name).await;
        let found = found.map_err(refused("the ConfigMap", namespace, name))?;
        let data = found.data.into_iter().flatten();
        files.extend(data.map(|(key, text)| (key, text.into_bytes())));
    } else if let Some(name) = volume.pointer("/secret/secretName").map(text) {
        let api = Api::<Secret>::namespaced(kube.clone(), namespace);
        let found = api.get(name).await;
        let found = found.map_err(refused("the Secret", namespace, name))?;
        let data = found.data.into_iter().flatten();
        files.extend(data.map(|(key, bytes)| (key, bytes.0)));
    } else if volume["emptyDir"].is_null() {
        let what = format!("the volume {volume}");
        return Err(Error::Unknown { what });
    }
    for (name, bytes) in files {
        fs::write(place.join(name), bytes).map_err(Error::Mount)?;
    }
    Ok(())
}

/// An argument whose value is, or is below, a path where something is mounted.
fn mounted(argument: &str, mounts: &[(String, PathBuf)]) -> String {
    let (start, value) = match argument.split_once('=') {
        Some((flag, value)) => (format!("{flag}="), value),
        None => (String::new(), argument),
    };
    let path = Path::new(value);
    let place = mounts
        .iter()
        .find_map(|(mount, place)| Some(place.join(path.strip_prefix(mount).ok()?)));
    // Joined with nothing, a path would end with a slash.
    place.map_or_else(
        || argument.to_owned(),
        |place| {
            format!(
                "{start}{}",
                place.display().to_string().trim_end_matches('/')
            )
        },
    )
}

fn variable_of(variable: &Value, name: &str, namespace: &str) -> Result<(String, String), Error> {
    let field = variable.pointer("/valueFrom/fieldRef/fieldPath").map(text);
    let value = match (field, variable["valueFrom"].is_null()) {
        (Some("metadata.name"), _) => name,
        (Some("metadata.namespace"), _) => namespace,
        (None, true) => text(&variable["value"]),
        _ => {
            let what = format!("the variable {variable}");
            return Err(Error::Unknown { what });
        }
    };
    Ok((text(&variable["name"]).to_owned(), value.to_owned()))
}

fn refused(
    what: &'static str,
    namespace: &str,
    name: &str,
) -> impl FnOnce(kube::Error) -> Error + use<> {
    let (namespace, name) = (namespace.to_owned(), name.to_owned());
    move |source| Error::Api {
        what,
        namespace,
        name,
        source: Box::new(source),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(argument: &str, expected: &str) {
        let mounts = [("/etc/a", "/tmp/a"), ("/etc/a-b", "/tmp/b")];
        let mounts = mounts.map(|(mount, place)| (mount.to_owned(), place.into()));
        assert_eq!(mounted(argument, &mounts), expected);
    }

    #[test]
    fn an_argument_below_a_mount_names_the_folder_of_the_volume() {
        check("--dir=/etc/a", "--dir=/tmp/a");
        check("--file=/etc/a/x.conf", "--file=/tmp/a/x.conf");
        check("--dir=/etc/a-b", "--dir=/tmp/b");
        check("/etc/a", "/tmp/a");
        check("--dir=/etc/ab", "--dir=/etc/ab");
        check("--dir=etc/a", "--dir=etc/a");
        check("run", "run");
    }
}
