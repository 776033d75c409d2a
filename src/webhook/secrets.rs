//! The secrets that senders have to know, one a type.

use std::path::{Path, PathBuf};

use image_update_core::webhook::Vendor;
use tokio::io::AsyncReadExt as _;
use tracing::warn;
use zeroize::Zeroizing;

/// The longest secret. A longer file is none, and no reason to run out of memory.
const MAX_BYTES: u64 = 4096;

/// Where secrets are. They are read for each request, so that a rotated one counts at once.
pub(crate) struct Secrets {
    folder: Option<PathBuf>,
    environment: fn(&str) -> Option<Zeroizing<String>>,
}

impl Secrets {
    /// The secrets of a folder, else of the environment.
    pub(crate) fn new(
        folder: Option<PathBuf>,
        environment: fn(&str) -> Option<Zeroizing<String>>,
    ) -> Self {
        Self {
            folder,
            environment,
        }
    }

    /// The secret of a type; `None` if it has none that can be read.
    pub(super) async fn get(&self, vendor: Vendor) -> Option<Zeroizing<Vec<u8>>> {
        if let Some(folder) = &self.folder {
            let key = format!("webhook.{}-secret", vendor.short_name());
            for name in [vendor.as_str(), &key] {
                if let Some(secret) = read(&folder.join(name)).await {
                    return Some(secret);
                }
            }
        }
        let name = vendor.short_name().to_ascii_uppercase().replace('-', "_");
        let secret = (self.environment)(&format!("{name}_WEBHOOK_SECRET"))?;
        Some(Zeroizing::new(secret.as_bytes().to_vec()))
    }

    /// The types that have a secret now.
    pub(crate) async fn served(&self) -> Vec<&'static str> {
        let mut served = Vec::new();
        for vendor in Vendor::ALL {
            if self.get(vendor).await.is_some() {
                served.push(vendor.as_str());
            }
        }
        served
    }
}

/// A file's content without the line's end that editors put there; `None` if there is no content.
async fn read(path: &Path) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = async {
        let file = tokio::fs::File::open(path).await?;
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).await
    };
    match read.await {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            warn!(file = %path.display(), %error, "Could not read the secret of a webhook");
            return None;
        }
    }
    if bytes.len() as u64 > MAX_BYTES {
        warn!(file = %path.display(), "The secret of a webhook is longer than 4096 bytes: not served");
        return None;
    }
    while bytes.last().is_some_and(|it| matches!(it, b'\n' | b'\r')) {
        bytes.pop();
    }
    (!bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(name: &str) -> Option<Zeroizing<String>> {
        let value = match name {
            "ALIYUN_ACR_WEBHOOK_SECRET" => "of the environment",
            "GHCR_WEBHOOK_SECRET" => "shadowed",
            _ => return None,
        };
        Some(Zeroizing::new(value.to_owned()))
    }

    #[tokio::test]
    async fn a_file_goes_before_the_key_of_old_and_that_before_the_environment() {
        let folder = tempfile::tempdir().expect("a folder can be made");
        for (name, text) in [
            ("ghcr.io", "by its name\n"),
            ("webhook.ghcr-secret", "shadowed"),
            ("webhook.docker-secret", "by its key\r\n"),
            ("webhook.quay-secret", "\n"),
            ("harbor", &"x".repeat(4097)),
            ("gitlab", &"x".repeat(4096)),
        ] {
            std::fs::write(folder.path().join(name), text).expect("a file can be written");
        }
        let secrets = Secrets::new(Some(folder.path().to_owned()), environment);
        let check = async |vendor, expected: Option<&str>| {
            let secret = secrets.get(vendor).await;
            let secret = secret.map(|it| String::from_utf8_lossy(&it).into_owned());
            assert_eq!(secret.as_deref(), expected, "{vendor}");
        };
        check(Vendor::Ghcr, Some("by its name")).await;
        check(Vendor::DockerHub, Some("by its key")).await;
        check(Vendor::AliyunAcr, Some("of the environment")).await;
        check(Vendor::Quay, None).await;
        check(Vendor::Harbor, None).await;
        check(Vendor::Nexus, None).await;
        let served = ["docker.io", "ghcr.io", "aliyun-acr", "gitlab"];
        assert_eq!(secrets.served().await, served);
    }
}
