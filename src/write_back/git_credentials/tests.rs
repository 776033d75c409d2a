//! One row, one fact about the keys of a Secret. The key was made for these tests.

use image_update_core::wire::known_hosts::{KnownHostsError, KnownHostsProblem};

use super::*;

const KEY: &str = "\
-----BEGIN OPENSSH PRIVATE KEY-----\n\
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW\n\
QyNTUxOQAAACBoFo2MDpTYl/496zn3cHO4ovVs01SVUMp7sPemLeQfBQAAAIhFMOSDRTDk\n\
gwAAAAtzc2gtZWQyNTUxOQAAACBoFo2MDpTYl/496zn3cHO4ovVs01SVUMp7sPemLeQfBQ\n\
AAAECwWbwY6PK/YPIcyvYC4z858qYgXpNSrXEaFUM3OOPANWgWjYwOlNiX/j3rOfdwc7ii\n\
9WzTVJVQynuw96Yt5B8FAAAAAAECAwQF\n\
-----END OPENSSH PRIVATE KEY-----\n";

const HOSTS: &str =
    "git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGgWjYwOlNiX/j3rOfdwc7ii9WzTVJVQynuw96Yt5B8F";

#[test]
fn one_credential_of_each_kind_is_read() {
    let basic = Some(Credential::basic("me", "secret"));
    check("username=me password=secret", Ok(basic.clone()));
    check("username=me\n password=secret\r\n", Ok(basic));
    let bearer = Some(Credential::bearer("secret"));
    check("bearerToken=secret", Ok(bearer));
    check("ca.crt=x", Ok(None));
    check("proxy=http://proxy.example", Ok(None));
}

#[test]
fn both_spellings_of_a_private_key_are_read() {
    let identity = Identity::parse(KEY, None, HOSTS).expect("the key can be read");
    let expected = Some(Credential::identity(identity));
    for key in PRIVATE_KEY {
        for hosts in KNOWN_HOSTS {
            check_all(&[(key, KEY), (hosts, HOSTS)], Ok(expected.clone()));
        }
    }
    // A passphrase of a key that has none is no reason to stop.
    let identity = Identity::parse(KEY, Some("x"), HOSTS).expect("the key can be read");
    let with_passphrase = [("identity", KEY), ("known_hosts", HOSTS), ("password", "x")];
    check_all(&with_passphrase, Ok(Some(Credential::identity(identity))));
}

#[test]
fn incomplete_credentials_name_what_is_missing() {
    let missing = |present, missing| Err(CredentialsError::Missing { present, missing });
    check("username=me", missing("username", PASSWORD));
    check("password=secret", missing("password", USERNAME));
    check("identity=key", missing("identity", KNOWN_HOSTS));
    check("known_hosts=x", missing("known_hosts", PRIVATE_KEY));
    check("githubAppID=1", missing("githubAppID", APP_INSTALLATION));
    check(
        "githubAppID=1 githubAppInstallationID=2",
        missing("githubAppID", APP_KEY),
    );
    check(
        "githubAppPrivateKey=x",
        missing("githubAppPrivateKey", APP_ID),
    );
    check("tls.crt=x", missing("tls.crt", CLIENT_KEY));
    check(
        "tlsClientCertKey=x",
        missing("tlsClientCertKey", CLIENT_CERTIFICATE),
    );
    check("", Err(CredentialsError::Nothing(KINDS.concat())));
    check("note=x", Err(CredentialsError::Nothing(KINDS.concat())));
}

#[test]
fn empty_keys_count_as_missing() {
    let basic = Some(Credential::basic("me", "secret"));
    check(
        "username=me password=secret bearerToken= identity= insecure=",
        Ok(basic),
    );
}

#[test]
fn what_could_mean_two_things_is_refused() {
    let ambiguous = |one, other| Err(CredentialsError::Ambiguous(one, other));
    check(
        "username=me password=x bearerToken=y",
        ambiguous("username", "bearerToken"),
    );
    check(
        "username=me password=x identity=y known_hosts=z",
        ambiguous("username", "identity"),
    );
    check(
        "identity=a sshPrivateKey=b known_hosts=z",
        ambiguous("identity", "sshPrivateKey"),
    );
    check(
        "bearerToken=x githubAppID=1",
        ambiguous("bearerToken", "githubAppID"),
    );
    check("ca.crt=x caFile=y", ambiguous("ca.crt", "caFile"));
    check("ca.crt=x caFile=x", Ok(None));
}

#[test]
fn unsafe_and_unknown_switches_are_refused() {
    let key = "username=me password=x ";
    for name in UNSAFE {
        check(
            &format!("{key}{name}=true"),
            Err(CredentialsError::Unsafe(name)),
        );
        let basic = Credential::basic("me", "x");
        check(&format!("{key}{name}=false"), Ok(Some(basic)));
    }
    let name = "gcpServiceAccountKey";
    check(
        &format!("{name}=x"),
        Err(CredentialsError::Unsupported(name)),
    );
}

#[test]
fn unusable_values_are_told() {
    check(
        "identity=key known_hosts=x",
        Err(CredentialsError::Identity(IdentityError::KnownHosts(
            KnownHostsError {
                line: 1,
                problem: KnownHostsProblem::Fields,
            },
        ))),
    );
    check_all(
        &[("identity", "key"), ("known_hosts", HOSTS)],
        Err(CredentialsError::Identity(IdentityError::Malformed)),
    );
    check_all(
        &[("identity", KEY), ("known_hosts", "# none yet")],
        Err(CredentialsError::Identity(IdentityError::NoKnownHosts)),
    );
    let app = "githubAppID=1 githubAppPrivateKey=x githubAppInstallationID=";
    check(
        &format!("{app}abc"),
        Err(CredentialsError::GithubApp(GithubAppError::InstallationId)),
    );
    check(
        &format!("{app}2"),
        Err(CredentialsError::GithubApp(GithubAppError::Key)),
    );
    let data = BTreeMap::from([("bearerToken".to_owned(), vec![0xff])]);
    let error = read(&data, clock).expect_err("not text");
    assert_eq!(error, CredentialsError::NotText("bearerToken"));
}

#[test]
fn errors_show_no_values() {
    for secret in [
        "identity=hunter2 known_hosts=x",
        "username=hunter2",
        "bearerToken=hunter2 username=hunter2",
        "githubAppID=hunter2! githubAppPrivateKey=hunter2 githubAppInstallationID=1",
        "ca.crt=hunter2 caFile=other",
    ] {
        let error = read(&parsed(secret), clock).expect_err("a problem");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

fn clock() -> Timestamp {
    Timestamp::UNIX_EPOCH
}

/// `key=value` pairs, divided by spaces.
fn parsed(secret: &str) -> BTreeMap<String, Vec<u8>> {
    secret
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect()
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "rows have it at hand")]
fn check(secret: &str, expected: Result<Option<Credential>, CredentialsError>) {
    let read = read(&parsed(secret), clock).map(|options| options.credential);
    assert_eq!(read, expected, "{secret}");
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "rows have it at hand")]
fn check_all(secret: &[(&str, &str)], expected: Result<Option<Credential>, CredentialsError>) {
    let data = secret
        .iter()
        .map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec()))
        .collect();
    let read = read(&data, clock).map(|options| options.credential);
    assert_eq!(read, expected);
}
