//! The registry's own certificate authority: one for each registry, so that trusting one does
//! not mean trusting another.

use std::sync::Arc;

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

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
        let mut params = CertificateParams::new(Vec::new()).context("describe the authority")?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().context("generate the authority's key")?;
        let ca = params.self_signed(&key).context("sign the authority")?;
        let issuer = Issuer::new(params, key);

        let (certificate, key) = sign(&issuer, ExtendedKeyUsagePurpose::ServerAuth)?;
        let (client_certificate, client_key) = sign(&issuer, ExtendedKeyUsagePurpose::ClientAuth)?;

        let provider = Arc::new(ring::default_provider());
        let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?;
        let builder = match client {
            ClientCertificate::Ignored => builder.with_no_client_auth(),
            ClientCertificate::Required => {
                let mut roots = RootCertStore::empty();
                roots.add(ca.der().clone()).context("trust the authority")?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .context("demand client certificates")?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let mut server = builder
            .with_single_cert(chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .context("use the server's certificate")?;
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];

        Ok(Self {
            ca_pem: ca.pem(),
            client_pem: format!("{}{}", client_certificate.pem(), client_key.serialize_pem()),
            server: Arc::new(server),
        })
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server))
    }
}

fn sign(
    issuer: &Issuer<'_, KeyPair>,
    usage: ExtendedKeyUsagePurpose,
) -> anyhow::Result<(rcgen::Certificate, KeyPair)> {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).context("describe a certificate")?;
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate().context("generate a key")?;
    let certificate = params
        .signed_by(&key, issuer)
        .context("sign a certificate")?;
    Ok((certificate, key))
}
