//! What of a request counts: its type, the parameters of its address, and its headers.

use hyper::header::HeaderMap;
use hyper::{Method, Request};
use image_update_core::webhook::{Proof, Vendor};
use url::form_urlencoded;

/// The header that argocd-image-updater takes in place of the parameter `type`.
const TYPE_HEADER: &str = "x-registry-type";

/// The parts of a request without its body.
pub(super) struct Head {
    path: String,
    query: Vec<(String, String)>,
    headers: HeaderMap,
    is_post: bool,
}

impl Head {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let query = form_urlencoded::parse(query.as_bytes());
        Self {
            path: request.uri().path().to_owned(),
            query: query
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect(),
            headers: request.headers().clone(),
            is_post: request.method() == Method::POST,
        }
    }

    pub(super) fn is_post(&self) -> bool {
        self.is_post
    }

    /// The type: the last part of the path, the parameter or the header; `None` for other paths and
    /// for types that nobody knows.
    pub(super) fn vendor(&self) -> Option<Vendor> {
        let rest = self.path.strip_prefix("/webhook")?;
        let name = match rest.strip_prefix('/') {
            Some(name) if !name.is_empty() => Some(name),
            Some(_) => self.parameter("type").or_else(|| self.header(TYPE_HEADER)),
            None if rest.is_empty() => self.parameter("type").or_else(|| self.header(TYPE_HEADER)),
            None => None,
        };
        name?.parse().ok()
    }

    /// What is presented for the proofs of a type.
    pub(super) fn presented(&self, vendor: Vendor) -> Vec<(Proof, &str)> {
        let presented = vendor.proofs().iter().filter_map(|proof| {
            let value = match proof {
                Proof::Query(name) => self.parameter(name),
                Proof::Header(name) | Proof::HmacSha256(name) | Proof::HmacSha1(name) => {
                    self.header(name)
                }
            };
            Some((*proof, value?))
        });
        presented.collect()
    }

    /// The kind of event.
    pub(super) fn event(&self, vendor: Vendor) -> Option<&str> {
        let mut headers = vendor.event_headers().iter();
        headers.find_map(|name| self.header(name))
    }

    /// The registry that the address names.
    pub(super) fn registry(&self) -> Option<&str> {
        let registry = self.parameter("registry_url");
        registry.filter(|registry| !registry.is_empty())
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(other, _)| other == name);
        found.next().map(|(_, value)| value.as_str())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok().map(str::trim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(method: Method, uri: &str, headers: &[(&'static str, &'static str)]) -> Head {
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = uri.parse().expect("the row's address is one");
        for (name, value) in headers {
            let value = value.parse().expect("the row's value is one");
            request.headers_mut().insert(*name, value);
        }
        Head::of(&request)
    }

    #[track_caller]
    fn check(uri: &str, headers: &[(&'static str, &'static str)], expected: Option<Vendor>) {
        assert_eq!(head(Method::POST, uri, headers).vendor(), expected, "{uri}");
    }

    #[test]
    fn a_type_is_named_by_path_parameter_or_header() {
        check("/webhook/ghcr.io", &[], Some(Vendor::Ghcr));
        check("/webhook?type=ghcr.io", &[], Some(Vendor::Ghcr));
        check("/webhook/?secret=a&type=harbor", &[], Some(Vendor::Harbor));
        check("/webhook", &[(TYPE_HEADER, "quay.io")], Some(Vendor::Quay));
        check("/webhook/ghcr.io?type=harbor", &[], Some(Vendor::Ghcr));
        check("/webhook", &[], None);
        check("/webhook/", &[], None);
        check("/webhook/gcr.io", &[], None);
        check("/webhooks/ghcr.io", &[], None);
        check("/webhookghcr.io", &[], None);
        check("/?type=ghcr.io", &[], None);
    }

    #[test]
    fn what_is_presented_is_what_the_type_asks_for() {
        let headers = [("authorization", "b"), ("x-hub-signature-256", "c")];
        let head = head(Method::POST, "/webhook/generic?secret=a%20b", &headers);
        let values = |vendor| {
            let presented = head.presented(vendor);
            let values: Vec<_> = presented
                .iter()
                .map(|(_, value)| (*value).to_owned())
                .collect();
            values
        };
        assert_eq!(values(Vendor::Quay), ["a b"]);
        assert_eq!(values(Vendor::Ghcr), ["c"]);
        assert_eq!(values(Vendor::Acr), ["b"]);
        assert_eq!(values(Vendor::Generic), ["c", "b", "a b"]);
        // Pub/Sub's own token proves nothing, for nobody verifies it.
        assert_eq!(values(Vendor::ArtifactRegistry), ["a b"]);
        assert!(values(Vendor::Nexus).is_empty());
    }
}
