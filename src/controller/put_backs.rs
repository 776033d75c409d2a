//! Applications that somebody else puts back: what generates them (an ApplicationSet, another
//! Application) has its own idea of their parameters, and would be fought for ever.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How often the same is written to an Application until nobody takes that for chance any more.
const MOST_WRITES: u32 = 3;

/// What stood for this long was not put back by a machine. Argo CD compares every three minutes:
/// <https://argo-cd.readthedocs.io/en/stable/faq/#how-often-does-argo-cd-check-for-changes-to-my-git-or-helm-repository>
const STANDS_AFTER: Duration = Duration::from_mins(10);

/// What each policy wrote to each Application last, and how often.
#[derive(Default)]
pub(super) struct PutBacks(Mutex<HashMap<String, ByPolicy>>);

/// By the policy, as `namespace/name`: several may write different fields of one Application, and
/// each is put back by itself.
type ByPolicy = HashMap<String, Written>;

struct Written {
    /// What was written, and by what right: a new one of either is tried anew.
    what: String,
    times: u32,
    last: Instant,
}

impl PutBacks {
    /// Whether writing `what` to `application` has been of no use to `policy`.
    pub(super) fn is_contested(&self, application: &str, policy: &str, what: &str) -> bool {
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = written.get(application).and_then(|it| it.get(policy));
        written.is_some_and(|it| it.what == what && it.times >= MOST_WRITES)
    }

    /// Notes that `policy` wrote `what` to `application`.
    pub(super) fn note(&self, application: &str, policy: &str, what: String) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let written = written.entry(application.to_owned()).or_default();
        let before = written.get(policy).filter(|it| it.what == what);
        let before = before.filter(|it| it.last.elapsed() < STANDS_AFTER);
        let times = before.map_or(0, |it| it.times) + 1;
        let last = Instant::now();
        written.insert(policy.to_owned(), Written { what, times, last });
    }

    /// Forgets an Application that is gone.
    pub(super) fn forget(&self, application: &str) {
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.remove(application);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOP: &str = "argocd/shop";
    const WEB: &str = "argocd/web";

    #[test]
    fn the_same_is_written_three_times_and_something_else_anew() {
        let put_backs = PutBacks::default();
        for _ in 0..MOST_WRITES {
            assert!(!put_backs.is_contested(SHOP, WEB, "1.1.0"));
            put_backs.note(SHOP, WEB, "1.1.0".to_owned());
        }
        assert!(put_backs.is_contested(SHOP, WEB, "1.1.0"));
        assert!(!put_backs.is_contested(SHOP, WEB, "1.2.0"));
        assert!(!put_backs.is_contested("argocd/other", WEB, "1.1.0"));
        put_backs.note(SHOP, WEB, "1.2.0".to_owned());
        assert!(!put_backs.is_contested(SHOP, WEB, "1.1.0"));
        put_backs.note(SHOP, WEB, "1.2.0".to_owned());
        put_backs.note(SHOP, WEB, "1.2.0".to_owned());
        assert!(put_backs.is_contested(SHOP, WEB, "1.2.0"));
        put_backs.forget(SHOP);
        assert!(!put_backs.is_contested(SHOP, WEB, "1.2.0"));
    }

    #[test]
    fn two_policies_that_are_put_back_in_turns_are_each_counted() {
        let put_backs = PutBacks::default();
        let policies = [(WEB, "web=1.1.0"), ("argocd/db", "db=17.2")];
        for _ in 0..MOST_WRITES {
            for (policy, what) in policies {
                assert!(!put_backs.is_contested(SHOP, policy, what), "{policy}");
                put_backs.note(SHOP, policy, what.to_owned());
            }
        }
        for (policy, what) in policies {
            assert!(put_backs.is_contested(SHOP, policy, what), "{policy}");
        }
        put_backs.forget(SHOP);
        for (policy, what) in policies {
            assert!(!put_backs.is_contested(SHOP, policy, what), "{policy}");
        }
    }
}
