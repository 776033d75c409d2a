use super::*;
use crate::git::options::Credential;

#[test]
fn remotes_of_credentials_that_were_replaced_are_dropped() {
    let (remotes, start) = (remotes(), Instant::now());
    for hour in 0..48 {
        let now = start + LONGEST_IDLE / 2 * hour;
        used(&remotes, "org/app", &token(hour), now);
    }
    assert!(remotes.len() <= 3, "{} remotes", remotes.len());
}

#[test]
fn the_remote_that_was_idle_for_longest_makes_room() {
    let (remotes, start) = (remotes(), Instant::now());
    let mut clock = (0..).map(|second| start + Duration::from_secs(second));
    let mut used = |path: &str| {
        let now = clock.next().unwrap_or(start);
        used(&remotes, path, &token(0), now);
    };
    for number in 0..MOST_REMOTES {
        used(&format!("org/app-{number}"));
    }
    used("org/app-0");
    used("org/one-more");

    assert_eq!(remotes.len(), MOST_REMOTES);
    let entries = remotes.entries.lock().expect("nobody panicked");
    assert!(entries.contains_key(&url("org/app-0")));
    assert!(!entries.contains_key(&url("org/app-1")));
}

#[test]
fn a_remote_in_use_is_never_dropped() {
    let (remotes, start) = (remotes(), Instant::now());
    let in_use = used(&remotes, "org/app", &token(0), start);
    let later = start + LONGEST_IDLE * 2;
    for number in 0..MOST_REMOTES * 2 {
        used(&remotes, &format!("org/app-{number}"), &token(0), later);
    }
    let again = used(&remotes, "org/app", &token(0), later);
    assert!(Arc::ptr_eq(&in_use, &again));
}

fn remotes() -> Remotes {
    // Another test may have been faster.
    drop(rustls::crypto::ring::default_provider().install_default());
    Remotes::new(CancellationToken::new(), Metrics::default(), 0)
}

fn used(remotes: &Remotes, path: &str, options: &RemoteOptions, now: Instant) -> Arc<Entry> {
    let entry = remotes.entry_at(&url(path), options, now);
    entry.expect("no connection is made")
}

fn url(path: &str) -> RemoteUrl {
    let url = format!("https://git.example.com/{path}.git");
    url.parse().expect("an address")
}

fn token(number: u32) -> RemoteOptions {
    RemoteOptions {
        credential: Some(Credential::bearer(format!("token-{number}"))),
        ..RemoteOptions::default()
    }
}
