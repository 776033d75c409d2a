//! Keeps the events of objects from a controller until the operator leads.
//!
//! The stores are filled meanwhile, so that whoever stands by can go on at once. What happened
//! before is not replayed: the controller gets every object once, as it is then.

use std::collections::VecDeque;

use futures::{Stream, StreamExt as _, stream};
use kube::Resource;
use kube::runtime::reflector::Store;
use tokio_util::sync::CancellationToken;

/// `objects` from when `leads` is cancelled; first of all everything that `store` holds then.
///
/// `objects` is polled all the time, because that is what fills the store. Errors pass through.
pub(super) fn gate<K, E>(
    objects: impl Stream<Item = Result<K, E>> + Send + 'static,
    store: Store<K>,
    leads: CancellationToken,
) -> impl Stream<Item = Result<K, E>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
    E: Send + 'static,
{
    let state = Gate {
        objects: objects.boxed(),
        closed: Some((store, leads)),
        first: VecDeque::new(),
    };
    stream::unfold(state, async |mut gate| {
        let next = gate.next().await?;
        Some((next, gate))
    })
}

struct Gate<K, E>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    objects: stream::BoxStream<'static, Result<K, E>>,
    /// Until it opens.
    closed: Option<(Store<K>, CancellationToken)>,
    /// What the store held when it opened.
    first: VecDeque<K>,
}

impl<K, E> Gate<K, E>
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    async fn next(&mut self) -> Option<Result<K, E>> {
        while let Some((store, leads)) = &self.closed {
            tokio::select! {
                biased;
                () = leads.cancelled() => {
                    self.first = store.state().iter().map(|it| K::clone(it)).collect();
                    self.closed = None;
                }
                object = self.objects.next() => match object {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Some(Err(error)),
                    None => return None,
                },
            }
        }
        if let Some(object) = self.first.pop_front() {
            return Some(Ok(object));
        }
        self.objects.next().await
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::FutureExt as _;
    use futures::channel::mpsc;
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt as _;
    use kube::core::ObjectMeta;
    use kube::runtime::reflector;
    use kube::runtime::watcher::Event;

    use super::*;

    fn object(name: &str) -> ConfigMap {
        ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }
    }

    #[test]
    fn what_is_there_comes_once_when_the_gate_opens_and_what_follows_after_it() {
        let (store, mut writer) = reflector::store::<ConfigMap>();
        let (events, received) = mpsc::unbounded();
        let leads = CancellationToken::new();
        let objects = received.map(Ok::<_, Infallible>);
        let mut gate = Box::pin(gate(objects, store, leads.clone()));
        let mut names = || {
            let mut names = Vec::new();
            while let Some(Some(Ok(object))) = gate.next().now_or_never() {
                names.push(object.name_any());
            }
            names
        };

        for name in ["a", "a", "b"] {
            writer.apply_watcher_event(&Event::Apply(object(name)));
            events.unbounded_send(object(name)).expect("it is read");
        }
        assert_eq!(names(), [""; 0], "nothing passes before");
        writer.apply_watcher_event(&Event::Delete(object("b")));
        writer.apply_watcher_event(&Event::Apply(object("c")));
        leads.cancel();
        let mut first = names();
        first.sort();
        assert_eq!(first, ["a", "c"], "as it is, and not as it was");
        events.unbounded_send(object("d")).expect("it is read");
        assert_eq!(names(), ["d"]);
    }
}
