//! Lists objects page by page: a cluster may have very many, and no answer is without bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::Resource;
use kube::api::{Api, ListParams};
use serde::de::DeserializeOwned;

use super::Cluster;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;

/// How many are asked for at once, as kubectl does.
const PAGE: u32 = 500;

/// Every object, with their number on a terminal while they come in.
pub(super) async fn list<K>(cluster: &Cluster, api: Api<K>) -> Result<Vec<K>, Failure>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let count = Arc::new(AtomicUsize::new(0));
    let _progress = {
        let count = Arc::clone(&count);
        let message = format!("listing {}", K::plural(&()));
        Progress::counting(message, move || count.load(Ordering::Relaxed))
    };
    let mut found = Vec::new();
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = api.list(&page).await;
        let list = list.map_err(|error| cluster.refused(error))?;
        found.extend(list.items);
        count.store(found.len(), Ordering::Relaxed);
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}
