//! Where the API of a repository's registry is.

use image_update_core::image::Repository;
use url::{Origin, Url};

use super::access::Access;

/// The API host of Docker Hub; `docker.io` itself serves a web site.
const DOCKER_HUB_API: &str = "registry-1.docker.io";

/// The API of one registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    /// Scheme, host and port, and the path that stands before `/v2/`, without a slash at its end
    /// unless it is `/`.
    base: Url,
    /// Whether somebody has said where it is, and so whether it has TLS.
    is_configured: bool,
}

impl Endpoint {
    /// Where the API of a repository is: where that is configured, or over TLS at the registry's
    /// own name; `None` when that name makes no URL.
    pub(super) fn of(repository: &Repository, access: &Access) -> Option<Self> {
        if let Some(registry) = &access.configured {
            let mut base = registry.api_url.clone();
            let path = base.path().trim_end_matches('/').to_owned();
            base.set_path(&path);
            return Some(Self {
                base,
                is_configured: true,
            });
        }
        let host = if repository.is_docker_hub() {
            DOCKER_HUB_API
        } else {
            repository.registry()
        };
        let base = Url::parse(&format!("https://{host}/")).ok()?;
        Some(Self {
            base,
            is_configured: false,
        })
    }

    /// The same endpoint over plain HTTP, where nobody has said that it has TLS.
    pub(super) fn without_tls(&self) -> Option<Self> {
        let mut base = self.base.clone();
        base.set_scheme("http").ok()?;
        (!self.is_configured).then_some(Self {
            base,
            is_configured: false,
        })
    }

    /// A URL of the endpoint this one was before it did without TLS.
    pub(super) fn moved(&self, url: &Url) -> Url {
        let mut moved = self.base.clone();
        moved.set_path(url.path());
        moved.set_query(url.query());
        moved
    }

    pub(super) fn has_tls(&self) -> bool {
        self.base.scheme() == "https"
    }

    /// Whether the registry's name gives a port, so that plain HTTP is on the same one.
    pub(super) fn has_port(&self) -> bool {
        self.base.port().is_some()
    }

    /// The URL of a path such as `/v2/org/app/tags/list`.
    pub(super) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        let before = self.base.path().trim_end_matches('/');
        url.set_path(&format!("{before}{path}"));
        url
    }

    /// Scheme, host and port.
    pub(super) fn origin(&self) -> Origin {
        self.base.origin()
    }

    /// Whether a URL has this endpoint's scheme, host and port, and no credential of its own.
    pub(super) fn owns(&self, url: &Url) -> bool {
        self.base.origin() == url.origin() && !has_credential(url)
    }

    /// The whole, for use as a key.
    pub(super) fn as_str(&self) -> &str {
        self.base.as_str()
    }
}

/// Whether a URL brings a user name or a password, which the HTTP client would send.
pub(super) fn has_credential(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use image_update_core::address::is_link_local_literal;
    use image_update_core::registries_conf::RegistriesConf;

    use super::*;

    #[test]
    fn finds_the_api_of_a_registry() {
        check_url("nginx", "https://registry-1.docker.io/v2/");
        check_url("ghcr.io/org/app", "https://ghcr.io/v2/");
        check_url("localhost:5000/app", "https://localhost:5000/v2/");
        check_url("[::1]:5000/app", "https://[::1]:5000/v2/");
    }

    #[test]
    fn the_api_is_where_it_is_configured() {
        check_configured("https://mirror.example", "https://mirror.example/v2/x");
        check_configured(
            "https://a.example/docker/hub/",
            "https://a.example/docker/hub/v2/x",
        );
        check_configured("http://localhost:5000", "http://localhost:5000/v2/x");
    }

    #[test]
    fn owns_what_has_the_same_scheme_host_and_port() {
        check_owner("https://r.example/other?x=y", true);
        check_owner("https://r.example:443/", true);
        check_owner("https://R.example/", true);
        check_owner("https://r.example:444/", false);
        check_owner("http://r.example/", false);
        check_owner("https://r.example.evil/", false);
        check_owner("https://r.example@other.example/", false);
        check_owner("https://user@r.example/", false);
        check_owner("https://:password@r.example/", false);
    }

    #[test]
    fn knows_link_local_addresses() {
        for url in [
            "http://169.254.169.254/latest",
            "http://169.254.0.0",
            "http://2852039166/",
            "http://0xa9.0xfe.1.1/",
            "http://[fe80::1]/",
            "http://[febf::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::169.254.169.254]/",
            "http://[64:ff9b::169.254.169.254]/",
        ] {
            check_link_local(url, true);
        }
        for url in [
            "http://169.253.0.1/",
            "http://127.0.0.1/",
            "http://10.0.0.1/",
            "http://[::1]/",
            "http://[fec0::1]/",
            "http://r.example/",
        ] {
            check_link_local(url, false);
        }
    }

    #[track_caller]
    fn check_url(repository: &str, expected: &str) {
        let repository = repository.parse().expect("the row's repository is valid");
        let url = Endpoint::of(&repository, &Access::default())
            .expect("a repository has an endpoint")
            .url("/v2/");
        assert_eq!(url.as_str(), expected);
    }

    /// What is configured is not guessed at: it has TLS, or it has not.
    #[track_caller]
    fn check_configured(api_url: &str, expected: &str) {
        let file = format!("registries:\n- {{name: x, api_url: '{api_url}'}}");
        let conf = RegistriesConf::parse(file.as_bytes()).expect("the row's URL is one");
        let access = Access {
            configured: conf.registries.into_iter().next().map(Arc::new),
            ..Access::default()
        };
        let repository = "r.example/app"
            .parse()
            .expect("the test's repository is valid");
        let endpoint = Endpoint::of(&repository, &access).expect("a URL is an endpoint");
        assert_eq!(endpoint.url("/v2/x").as_str(), expected);
        assert_eq!(endpoint.without_tls(), None);
    }

    #[track_caller]
    fn check_owner(url: &str, expected: bool) {
        let repository = "r.example/app"
            .parse()
            .expect("the test's repository is valid");
        let endpoint =
            Endpoint::of(&repository, &Access::default()).expect("a repository has an endpoint");
        let url = url.parse().expect("the row's URL is valid");
        assert_eq!(endpoint.owns(&url), expected, "{url}");
    }

    #[track_caller]
    fn check_link_local(url: &str, expected: bool) {
        let url = url.parse().expect("the row's URL is valid");
        assert_eq!(is_link_local_literal(&url), expected, "{url}");
    }
}
