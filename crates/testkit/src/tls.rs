//! Certificates made for one run: an authority, and what it signs.
//!
//! Keys live in memory and go to files only where a server reads files. Nothing here is trusted
//! by anything outside the tests.

use std::sync::Once;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};

/// Makes ring the process's TLS provider. Call it before the first TLS client; again is harmless.
pub fn install_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that a provider is there already, which is what the caller wants.
        rustls::crypto::ring::default_provider()
            .install_default()
            .ok();
    });
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("could not make a certificate for {subject}")]
pub struct Error {
    subject: String,
    #[source]
    source: rcgen::Error,
}

/// A certificate and its private key, both PEM.
#[derive(Clone)]
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS #8). Not shown by `Debug`.
    pub key: String,
}

impl std::fmt::Debug for Certified {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            certificate,
            key: _,
        } = self;
        formatter
            .debug_struct("Certified")
            .field("certificate", certificate)
            .finish_non_exhaustive()
    }
}

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority, different from every other.
    pub fn new() -> Result<Self, Error> {
        let subject = "image-update test authority";
        let failed = |source| Error {
            subject: subject.into(),
            source,
        };
        let mut params = CertificateParams::default();
        // The default is rcgen's own name, which would be the issuer in every error about trust.
        params.distinguished_name.push(DnType::CommonName, subject);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(failed)?;
        let issuer = CertifiedIssuer::self_signed(params, key).map_err(failed)?;
        Ok(Self { issuer })
    }

    /// The authority's own certificate, as PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Signs a server's certificate for `names`: host names and IP addresses.
    pub fn issue(&self, names: &[&str]) -> Result<Certified, Error> {
        let subject = names.first().copied().unwrap_or("nobody");
        let owned = names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let params = CertificateParams::new(owned).map_err(|source| Error {
            subject: subject.into(),
            source,
        })?;
        self.sign(subject, params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// Signs a client's certificate. Kubernetes reads the user from the common name and the group
    /// from the organization; rcgen writes one organization only, hence one group.
    pub fn issue_client(&self, user: &str, group: &str) -> Result<Certified, Error> {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::OrganizationName, group);
        self.sign(user, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(
        &self,
        subject: &str,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<Certified, Error> {
        let failed = |source| Error {
            subject: subject.into(),
            source,
        };
        params.distinguished_name.push(DnType::CommonName, subject);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?;
        Ok(Certified {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}
