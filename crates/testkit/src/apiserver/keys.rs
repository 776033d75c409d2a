//! The certificates, keys and kubeconfig of one cluster, and the API server's arguments, which
//! name them.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kube::config::Kubeconfig;
use serde_json::json;

use super::{Error, audit};
use crate::tls::{Authority, Certified};

/// The certificates and keys of one cluster, in files where the API server reads files.
pub(super) struct Keys {
    folder: PathBuf,
    authority: Authority,
    administrator: Certified,
}

impl Keys {
    pub(super) fn write(folder: &Path) -> Result<Self, Error> {
        let authority = Authority::new().map_err(Error::Tls)?;
        let server = authority
            .issue(&["127.0.0.1", "localhost"])
            .map_err(Error::Tls)?;
        // Signs service account tokens. The server reads the public key from the certificate.
        let accounts = authority.issue(&["service-accounts"]).map_err(Error::Tls)?;
        let administrator = authority
            .issue_client("administrator", "system:masters")
            .map_err(Error::Tls)?;
        write(&folder.join("authority.crt"), &authority.pem())?;
        write(&folder.join("server.crt"), &server.certificate)?;
        write(&folder.join("server.key"), &server.key)?;
        write(&folder.join("accounts.crt"), &accounts.certificate)?;
        write(&folder.join("accounts.key"), &accounts.key)?;
        write(&folder.join("audit.yaml"), &audit::policy())?;
        Ok(Self {
            folder: folder.to_owned(),
            authority,
            administrator,
        })
    }

    pub(super) fn arguments(&self, etcd_url: &str, port: u16) -> Vec<String> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        vec![
            format!("--etcd-servers={etcd_url}"),
            format!("--bind-address={}", Ipv4Addr::LOCALHOST),
            format!("--secure-port={port}"),
            format!("--client-ca-file={}", file("authority.crt")),
            format!("--tls-cert-file={}", file("server.crt")),
            format!("--tls-private-key-file={}", file("server.key")),
            format!("--service-account-key-file={}", file("accounts.crt")),
            format!(
                "--service-account-signing-key-file={}",
                file("accounts.key")
            ),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            "--authorization-mode=RBAC".into(),
            // It would wait for the controller manager to make each namespace's account.
            "--disable-admission-plugins=ServiceAccount".into(),
            "--service-cluster-ip-range=10.0.0.0/24".into(),
            format!("--audit-policy-file={}", file("audit.yaml")),
            format!("--audit-log-path={}", self.audit_log().display()),
            // The server would advertise its own address, and refuses to advertise loopback.
            "--endpoint-reconciler-type=none".into(),
        ]
    }

    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// What service accounts asked; the API server makes it when the first one does.
    pub(super) fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }

    /// Writes the kubeconfig for `port`, and reads it as any client would.
    pub(super) fn connection(&self, port: u16) -> Result<Kubeconfig, Error> {
        let encode = |pem: &str| BASE64_STANDARD.encode(pem);
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": "test", "cluster": {
                "server": format!("https://{}:{port}", Ipv4Addr::LOCALHOST),
                "certificate-authority-data": encode(&self.authority.pem()),
            } }],
            "users": [{ "name": "administrator", "user": {
                "client-certificate-data": encode(&self.administrator.certificate),
                "client-key-data": encode(&self.administrator.key),
            } }],
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "administrator" } }],
            "current-context": "test",
        });
        write(&self.kubeconfig(), &kubeconfig.to_string())?;
        Kubeconfig::read_from(self.kubeconfig()).map_err(Error::Kubeconfig)
    }
}

/// Writes a file; the folder around it is readable by its owner only.
fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
