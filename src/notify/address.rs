//! Where a notification goes, and as whom.

use std::collections::BTreeMap;

use image_update_core::address::is_link_local_literal;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Certificate, Client};
use url::Url;

use super::Error;
use crate::hosts::AllowedHosts;

/// Where a notification goes. Its `Debug` shows nothing of it.
pub(crate) struct Address {
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    authorities: Vec<Certificate>,
}

impl Address {
    /// Reads the data of a Secret: `address`, and perhaps `token`, `headers` (a YAML mapping) and
    /// `ca.crt`.
    pub(crate) fn of_secret(data: &BTreeMap<String, Vec<u8>>) -> Result<Self, Error> {
        let text = |key: &'static str| {
            let bytes = data.get(key);
            bytes
                .map(|bytes| str::from_utf8(bytes).map(str::trim))
                .transpose()
                .map_err(|_| Error::Invalid {
                    key,
                    expected: "text",
                })
        };
        let address = text("address")?.filter(|it| !it.is_empty());
        let mut read = Self::parse(address.ok_or(Error::Missing { key: "address" })?)?;
        if let Some(headers) = text("headers")? {
            read.headers = parse_headers(headers)?;
        }
        if let Some(token) = text("token")? {
            read.authorize(token)?;
        }
        if let Some(pem) = data.get("ca.crt") {
            let authorities = Certificate::from_pem_bundle(pem).ok();
            let authorities = authorities.filter(|it| !it.is_empty());
            read.authorities = authorities.ok_or(Error::Invalid {
                key: "ca.crt",
                expected: "a PEM certificate",
            })?;
        }
        Ok(read)
    }

    /// Reads an address alone.
    fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text).ok();
        let is_http = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let url = url.filter(is_http).ok_or(Error::Invalid {
            key: "address",
            expected: "an http or https URL",
        })?;
        Ok(Self {
            url,
            headers: HeaderMap::new(),
            authorities: Vec::new(),
        })
    }

    fn authorize(&mut self, token: &str) -> Result<(), Error> {
        let value = HeaderValue::from_str(&format!("Bearer {token}"));
        let mut value = value.map_err(|_| Error::Invalid {
            key: "token",
            expected: "one line of text",
        })?;
        value.set_sensitive(true);
        self.headers.insert(AUTHORIZATION, value);
        Ok(())
    }

    /// Whether it may be asked at all; names are looked at once more when they are resolved.
    pub(super) fn check(&self, allowed: &AllowedHosts) -> Result<(), Error> {
        if is_link_local_literal(&self.url) {
            return Err(Error::LinkLocal);
        }
        let host = self.url.host_str().unwrap_or_default();
        if allowed.allows(host, self.url.port()) {
            Ok(())
        } else {
            Err(Error::HostNotAllowed)
        }
    }

    /// A client that trusts what the address asks for.
    pub(super) fn client(&self, builder: reqwest::ClientBuilder) -> Result<Client, Error> {
        let builder = builder.tls_certs_merge(self.authorities.clone());
        builder.build().map_err(|_| Error::Client)
    }
}

fn parse_headers(yaml: &str) -> Result<HeaderMap, Error> {
    let invalid = Error::Invalid {
        key: "headers",
        expected: "a YAML mapping of headers",
    };
    let Ok(read) = serde_yaml::from_str::<BTreeMap<String, String>>(yaml) else {
        return Err(invalid);
    };
    let mut headers = HeaderMap::new();
    for (name, value) in &read {
        let (Ok(name), Ok(mut value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>())
        else {
            return Err(invalid);
        };
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

impl std::fmt::Debug for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Address").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(data: &[(&str, &str)], allowed: &[&str], expected: Result<(), &str>) {
        let data = data
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()));
        let allowed: Vec<String> = allowed.iter().map(|it| (*it).to_owned()).collect();
        let allowed = AllowedHosts::parse(&allowed).expect("the row's hosts can be read");
        let read = Address::of_secret(&data.collect()).and_then(|it| it.check(&allowed));
        let read = read.map_err(|error| error.to_string());
        assert_eq!(read.as_ref().copied().map_err(String::as_str), expected);
        assert!(!format!("{read:?}").contains("secret"));
    }

    #[test]
    fn an_address_is_a_url_of_a_host_that_may_be_asked() {
        let slack = ("address", "https://hooks.slack.com/services/secret\n");
        check(&[slack], &[], Ok(()));
        check(&[slack], &["*.slack.com"], Ok(()));
        let denied = "the host of the address is not one of --allowed-hosts";
        check(&[slack], &["ghcr.io"], Err(denied));
        check(&[], &[], Err("the key address is missing"));
        let no_url = "the key address is not an http or https URL";
        check(&[("address", "secret")], &[], Err(no_url));
        check(&[("address", "file:///secret")], &[], Err(no_url));
        let metadata = ("address", "http://169.254.169.254/secret");
        let link_local = "the address leads to a link-local address, which is never contacted";
        check(&[metadata], &[], Err(link_local));
    }

    #[test]
    fn what_goes_with_an_address_is_read_whole_or_refused() {
        let address = ("address", "https://a.example");
        check(
            &[address, ("headers", "X-Key: secret\nX-Other: \"1\"\n")],
            &[],
            Ok(()),
        );
        let bad = "the key headers is not a YAML mapping of headers";
        check(&[address, ("headers", "secret")], &[], Err(bad));
        check(&[address, ("headers", "\"a b\": secret")], &[], Err(bad));
        let bad = "the key token is not one line of text";
        check(&[address, ("token", "secret\nsecret")], &[], Err(bad));
        let bad = "the key ca.crt is not a PEM certificate";
        check(&[address, ("ca.crt", "secret")], &[], Err(bad));
    }
}
