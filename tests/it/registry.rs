//! The registry client against a registry that misbehaves by script.
//!
//! One row = one thing a registry does, and what the client makes of it. Whatever goes wrong, a
//! listing is whole or an error.

mod boundaries;
mod builds;
mod conf;
mod configured;
mod credentials;
mod digests;
mod distribution;
mod faults;
mod listing;
mod pace;
mod retries;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use image_update_core::image::{Repository, Tag};
use image_update_core::registries_conf::RegistriesConf;
use image_update_operator::registry::error::Error;
use image_update_operator::registry::{Access, Client, Credential, TagList};
use image_update_testkit::faulty_registry::{ALWAYS, Auth, Fault, FaultyRegistry, TokenServer};

const PATH: &str = "org/app";
const USER: &str = "robot";
const PASSWORD: &str = "correct-horse";

/// Lists a repository of five tags while the registry has this fault, always.
async fn check(fault: Fault, expected: impl Fn(&Error) -> bool) {
    let error = list_with(fault.clone(), ALWAYS)
        .await
        .expect_err(&format!("{fault:?}"));
    assert!(expected(&error), "{fault:?}: {error:?}");
}

async fn check_token(fault: Fault, expected: impl Fn(&Error) -> bool) {
    let registry = with_tags(1).await;
    registry.require(Auth::Bearer(token_server()));
    registry.token_fault(fault.clone(), ALWAYS);
    let error = list(&registry, &robot())
        .await
        .expect_err(&format!("{fault:?}"));
    assert!(expected(&error), "{fault:?}: {error:?}");
}

/// Counts the requests of a listing that fails.
async fn check_requests(fault: Fault, expected: usize) {
    let registry = with_tags(5).await;
    registry.fault(fault.clone(), ALWAYS);
    list(&registry, &insecure())
        .await
        .expect_err(&format!("{fault:?}"));
    assert_eq!(registry.request_count(), expected, "{fault:?}");
}

async fn check_retry_after(fault: Fault, seconds: Option<u64>) {
    let error = list_with(fault.clone(), 1)
        .await
        .expect_err(&format!("{fault:?}"));
    assert!(
        matches!(error, Error::RateLimited { .. }),
        "{fault:?}: {error:?}"
    );
    assert_eq!(
        error.retry_after(),
        seconds.map(Duration::from_secs),
        "{fault:?}"
    );
}

/// Lists, and compares what every request showed.
async fn check_scan(
    client: &Client,
    registry: &FaultyRegistry,
    access: &Access,
    shown: &[Option<&str>],
) {
    registry.forget_requests();
    let list = client.list_tags(&app(registry), access).await;
    let list = list.unwrap_or_else(|error| unexpected(&error));
    let requests = registry.requests();
    let found: Vec<_> = requests
        .iter()
        .map(|it| it.authorization.as_deref())
        .collect();
    assert_eq!(found, shown);
    assert!(
        list.requests as usize >= found.len(),
        "{} requests",
        list.requests
    );
}

async fn list_with(fault: Fault, times: usize) -> Result<TagList, Error> {
    let registry = with_tags(5).await;
    registry.fault(fault, times);
    list(&registry, &insecure()).await
}

async fn list(registry: &FaultyRegistry, access: &Access) -> Result<TagList, Error> {
    Client::new().list_tags(&app(registry), access).await
}

async fn resolve(registry: &FaultyRegistry, name: &str) -> Result<String, Error> {
    let digest = Client::new()
        .resolve_digest(&app(registry), &tag(name), &insecure())
        .await?;
    Ok(digest.as_str().to_owned())
}

async fn with_tags(count: usize) -> FaultyRegistry {
    let registry = FaultyRegistry::start().await.expect("the registry starts");
    registry.set_tags(PATH, tags(count));
    registry
}

async fn tls() -> FaultyRegistry {
    let registry = FaultyRegistry::start_tls()
        .await
        .expect("the registry starts");
    registry.set_tags(PATH, tags(3));
    registry
}

fn tags(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("v{number}"))
}

fn app(registry: &FaultyRegistry) -> Repository {
    repository(registry, PATH)
}

fn repository(registry: &FaultyRegistry, path: &str) -> Repository {
    format!("{}/{path}", registry.host())
        .parse()
        .expect("a loopback address is a registry")
}

fn tag(name: &str) -> Tag {
    name.parse().expect("the test's tag is valid")
}

fn token_server() -> TokenServer {
    TokenServer::new(USER, PASSWORD)
}

fn insecure() -> Access {
    Access {
        insecure: true,
        ..Access::default()
    }
}

/// The access to a registry that has an entry with these keys, and its own URL.
fn configured(registry: &FaultyRegistry, keys: &str) -> Access {
    configured_at(registry.base_url(), keys)
}

fn configured_at(url: &str, keys: &str) -> Access {
    let file = format!("registries:\n- {{name: x, api_url: '{url}', {keys}}}\n");
    let conf = RegistriesConf::parse(file.as_bytes()).expect("the row's entry is right");
    Access {
        configured: conf.registries.into_iter().next().map(Arc::new),
        ..Access::default()
    }
}

fn robot() -> Access {
    Access {
        credential: Some(Credential::basic(USER, PASSWORD)),
        ..insecure()
    }
}

fn trusting(registry: &FaultyRegistry) -> Access {
    let ca_pem = registry.ca_pem().map(|pem| pem.as_bytes().to_vec());
    Access {
        ca_pem,
        ..Access::default()
    }
}

/// Fails with the error's text, which `expect` would not show with the row.
#[track_caller]
fn unexpected<T>(error: &Error) -> T {
    unreachable!("the listing works: {error:?}")
}
