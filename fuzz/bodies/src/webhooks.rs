//! What registries send, and how they sign it.

use image_update_core::webhook::{self, Delivery, MAX_PUSHES, Presented, Vendor};

use super::text;

/// The name of a vendor on the first line, its body behind it. What is read is named as we name it,
/// and nobody who does not know the secret signs it.
pub(super) fn webhooks(bytes: &[u8]) {
    let Some((name, body)) = text(bytes).and_then(|text| text.split_once('\n')) else {
        return;
    };
    let Ok(vendor) = name.parse::<Vendor>() else {
        return;
    };
    let body = body.as_bytes();
    for registry in [None, Some("registry.example:5000")] {
        let delivery = Delivery {
            event: Some("package"),
            registry,
            body,
        };
        let pushes = webhook::read(vendor, &delivery).unwrap_or_default();
        assert!(pushes.len() <= MAX_PUSHES);
        for repository in pushes.iter().flat_map(|push| &push.repositories) {
            assert_eq!(repository.as_str().parse().as_ref(), Ok(repository));
        }
    }
    let value = name;
    for proof in vendor.proofs() {
        assert!(!proof.holds(b"a secret", &Presented { value, body }));
    }
}
