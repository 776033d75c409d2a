//! Azure Container Registry:
//! <https://learn.microsoft.com/en-us/azure/container-registry/container-registry-webhook-reference>
//!
//! Its webhooks are events of the CNCF's Distribution, one a request.

use super::distribution::Event;
use super::{Delivery, Error, Push};

pub(super) fn read(delivery: &Delivery<'_>) -> Result<Vec<Push>, Error> {
    let event: Event = delivery.json()?;
    event.push(delivery).into_iter().collect()
}
