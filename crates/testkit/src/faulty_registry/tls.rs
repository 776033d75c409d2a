//! How a registry that speaks HTTPS is set up: with an authority of its own, so that trusting one
//! registry does not mean trusting another.

use std::sync::Arc;

use anyhow::Context as _;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::tls::{Authority, Certified};

/// Whether a client has to show a certificate.
#[derive(Clone, Copy)]
pub(super) enum ClientCertificate {
    Ignored,
    Required,
}

pub(super) struct Certificates {
    pub(super) ca_pem: String,
    /// Certificate and key of a client.
    pub(super) client_pem: String,
    server: Arc<rustls::ServerConfig>,
}

impl Certificates {
    pub(super) fn generate(client: ClientCertificate) -> anyhow::Result<Self> {
        let authority = Authority::new()?;
        let Certified { certificate, key } = authority.issue(&["127.0.0.1", "localhost"])?;
        let chain = vec![parse_certificate(&certificate)?];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).context("read the server's key")?;

        let provider = Arc::new(ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?;
        let builder = match client {
            ClientCertificate::Ignored => builder.with_no_client_auth(),
            ClientCertificate::Required => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(parse_certificate(&authority.pem())?)
                    .context("trust the authority")?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .context("demand client certificates")?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut server = builder
            .with_single_cert(chain, key)
            .context("use the server's certificate")?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

        let identity = authority.issue_client("robot", "testers")?;
        Ok(Self {
            ca_pem: authority.pem(),
            client_pem: format!("{}{}", identity.certificate, identity.key),
            server: Arc::new(server),
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }
}

fn parse_certificate(pem: &str) -> anyhow::Result<CertificateDer<'static>> {
    CertificateDer::from_pem_slice(pem.as_bytes()).context("read a certificate that was just made")
}
