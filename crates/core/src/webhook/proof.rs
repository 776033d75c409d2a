//! How a sender proves that it knows the secret. Nothing here takes longer for a better guess.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

/// One way to prove it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The secret itself as a parameter of the address.
    Query(&'static str),
    /// The secret itself in a header, perhaps behind `Bearer`.
    Header(&'static str),
    /// The HMAC-SHA-256 of the body in a header, in hexadecimal, perhaps behind `sha256=`.
    HmacSha256(&'static str),
    /// The HMAC-SHA-1 of the body in a header, in hexadecimal. Nexus takes it of the JSON without
    /// white space: <https://help.sonatype.com/en/enabling-a-repository-webhook-capability.html>
    HmacSha1(&'static str),
}

/// What a request presents for a proof, the value of its parameter or header.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The value.
    pub value: &'a str,
    /// The body that came with it.
    pub body: &'a [u8],
}

impl Proof {
    /// Whether what is presented proves that its sender knows `secret`. An empty secret is known by
    /// nobody.
    pub fn holds(self, secret: &[u8], presented: &Presented<'_>) -> bool {
        let Presented { value, body } = *presented;
        if secret.is_empty() {
            return false;
        }
        match self {
            Self::Query(_) => is_secret(secret, value),
            Self::Header(_) => {
                let bare = value.strip_prefix("Bearer ").unwrap_or(value);
                is_secret(secret, value) | is_secret(secret, bare)
            }
            Self::HmacSha256(_) => {
                let digest = value.strip_prefix("sha256=").unwrap_or(value);
                hex(digest).is_some_and(|digest| {
                    let mac = Hmac::<Sha256>::new_from_slice(secret);
                    mac.is_ok_and(|mac| mac.chain_update(body).verify_slice(&digest).is_ok())
                })
            }
            Self::HmacSha1(_) => hex(value).is_some_and(|digest| {
                [body, &without_white_space(body)].into_iter().any(|body| {
                    let mac = Hmac::<Sha1>::new_from_slice(secret);
                    mac.is_ok_and(|mac| mac.chain_update(body).verify_slice(&digest).is_ok())
                })
            }),
        }
    }
}

/// Compares by digests under the secret, so that neither content nor length shows in the time.
fn is_secret(secret: &[u8], presented: &str) -> bool {
    let digest = |text: &[u8]| {
        let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
        Some(mac.chain_update(text))
    };
    match (digest(secret), digest(presented.as_bytes())) {
        (Some(expected), Some(presented)) => {
            expected.verify(&presented.finalize().into_bytes()).is_ok()
        }
        (Some(_) | None, _) => false,
    }
}

/// Reads hexadecimal of at most the length of a SHA-256.
fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || text.len() > 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes()
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}

/// JSON without the white space between its tokens.
fn without_white_space(json: &[u8]) -> Vec<u8> {
    let mut compact = Vec::with_capacity(json.len());
    let (mut in_string, mut is_escaped) = (false, false);
    for &byte in json {
        if in_string {
            in_string = is_escaped || byte != b'"';
            is_escaped = !is_escaped && byte == b'\\';
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            in_string = byte == b'"';
        }
        compact.push(byte);
    }
    compact
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(proof: Proof, value: &str, body: &str, expected: bool) {
        let body = body.as_bytes();
        let holds = proof.holds(b"It's a Secret to Everybody", &Presented { value, body });
        assert_eq!(holds, expected, "{proof:?} {value}");
    }

    #[test]
    fn a_secret_is_compared_whole() {
        let query = Proof::Query("secret");
        check(query, "It's a Secret to Everybody", "", true);
        check(query, "It's a Secret to Everybod", "", false);
        check(query, "It's a Secret to Everybody ", "", false);
        check(query, "it's a secret to everybody", "", false);
        check(query, "", "", false);
        check(query, "Bearer It's a Secret to Everybody", "", false);
        let header = Proof::Header("authorization");
        check(header, "It's a Secret to Everybody", "", true);
        check(header, "Bearer It's a Secret to Everybody", "", true);
        check(header, "Bearer nothing", "", false);
    }

    /// The example of GitHub:
    /// <https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries>
    #[test]
    fn a_signature_is_of_the_body() {
        let digest = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let hub = Proof::HmacSha256("x-hub-signature-256");
        check(hub, &format!("sha256={digest}"), "Hello, World!", true);
        check(hub, digest, "Hello, World!", true);
        check(hub, digest, "Hello, World?", false);
        check(hub, "sha256=", "Hello, World!", false);
        check(hub, &digest[..62], "Hello, World!", false);
        check(hub, &format!("{digest}00"), "Hello, World!", false);
        check(hub, "It's a Secret to Everybody", "Hello, World!", false);
    }

    #[test]
    fn a_signature_of_nexus_is_of_the_body_without_white_space() {
        let nexus = Proof::HmacSha1("x-nexus-webhook-signature");
        let digest = "ce2d7927989eaa1b19f7c2f061d2cd620b92cb40";
        let body = "{ \"a b\" : \"c \\\" d\" }";
        assert_eq!(without_white_space(body.as_bytes()), br#"{"a b":"c \" d"}"#);
        check(nexus, digest, body, true);
        check(nexus, digest, r#"{"a b":"c \" d"}"#, true);
        check(nexus, digest, r#"{"a b":"c \"d"}"#, false);
    }

    #[test]
    fn nobody_knows_an_empty_secret() {
        let presented = Presented {
            value: "",
            body: b"",
        };
        assert!(!Proof::Query("secret").holds(b"", &presented));
    }
}
