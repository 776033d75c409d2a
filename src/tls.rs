//! The one crypto provider of the process.

/// Makes ring the provider of every TLS connection. To be called before the first one; calling it
/// again does nothing.
pub fn install_provider() {
    // An error means that a provider is installed already, which is what is wanted.
    drop(rustls::crypto::ring::default_provider().install_default());
}
