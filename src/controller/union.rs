//! Several watches as one, so that one store can hold the objects of several namespaces.
//!
//! A store replaces all it holds when a watch starts over; with several watches that would drop
//! the objects of the others. Here the first starts are merged into one, and later ones become
//! changes.

use std::collections::HashMap;

use futures::stream::{self, Stream, StreamExt};
use kube::core::error_boundary::InvalidObject;
use kube::core::{DeserializeGuard, ObjectMeta, Resource};
use kube::runtime::watcher::Event;

use super::context::key;

/// Merges the events of `watches`; errors pass through.
pub(super) fn union<K, E>(
    watches: Vec<impl Stream<Item = Result<Event<DeserializeGuard<K>>, E>> + Send + Unpin>,
) -> impl Stream<Item = Result<Event<DeserializeGuard<K>>, E>> + Send
where
    K: Resource<DynamicType = ()> + Clone + Send + 'static,
    E: Send + 'static,
{
    let mut state = Union::new(watches.len());
    let tagged = watches
        .into_iter()
        .enumerate()
        .map(|(index, watch)| watch.map(move |event| (index, event)));
    stream::select_all(tagged).flat_map(move |(index, event)| {
        stream::iter(match event {
            Ok(event) => state.step(index, event).into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        })
    })
}

/// Namespace and name.
type Key = (String, String);

/// The objects of one watch.
#[derive(Default)]
struct Part {
    known: HashMap<Key, ObjectMeta>,
    /// What came since the watch started over.
    fresh: Option<HashMap<Key, ObjectMeta>>,
    started: bool,
}

struct Union<K> {
    parts: Vec<Part>,
    opened: bool,
    /// Deletions that came before the first start was complete.
    held: Vec<Event<DeserializeGuard<K>>>,
}

impl<K: Resource<DynamicType = ()> + Clone> Union<K> {
    fn new(count: usize) -> Self {
        let parts = std::iter::repeat_with(Part::default).take(count).collect();
        Self {
            parts,
            opened: false,
            held: Vec::new(),
        }
    }

    fn all_started(&self) -> bool {
        self.parts.iter().all(|part| part.started)
    }

    fn step(
        &mut self,
        index: usize,
        event: Event<DeserializeGuard<K>>,
    ) -> Vec<Event<DeserializeGuard<K>>> {
        let mut out = Vec::new();
        if !self.opened {
            self.opened = true;
            out.push(Event::Init);
        }
        let started_before = self.all_started();
        let part = &mut self.parts[index];
        match event {
            Event::Init => part.fresh = Some(HashMap::new()),
            Event::InitApply(object) | Event::Apply(object) => {
                let key = key(object.meta());
                let meta = identity(object.meta());
                if let Some(fresh) = &mut part.fresh {
                    fresh.insert(key.clone(), meta.clone());
                }
                part.known.insert(key, meta);
                out.push(if started_before {
                    Event::Apply(object)
                } else {
                    Event::InitApply(object)
                });
            }
            Event::Delete(object) => {
                part.known.remove(&key(object.meta()));
                if started_before {
                    out.push(Event::Delete(object));
                } else {
                    self.held.push(Event::Delete(object));
                }
            }
            Event::InitDone => {
                part.started = true;
                let fresh = part.fresh.take().unwrap_or_default();
                let gone = std::mem::replace(&mut part.known, fresh);
                let gone = gone
                    .into_iter()
                    .filter(|(key, _)| !part.known.contains_key(key));
                self.held
                    .extend(gone.map(|(_, meta)| Event::Delete(husk(meta))));
                if self.all_started() {
                    if !started_before {
                        out.push(Event::InitDone);
                    }
                    out.append(&mut self.held);
                }
            }
        }
        out
    }
}

/// What a store needs to find an object, and no more.
fn identity(meta: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        ..ObjectMeta::default()
    }
}

/// A deleted object of which only the identity is known.
fn husk<K>(metadata: ObjectMeta) -> DeserializeGuard<K> {
    let error = "deleted while the watch was interrupted".to_owned();
    DeserializeGuard(Err(InvalidObject { error, metadata }))
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(namespace: &str, name: &str) -> DeserializeGuard<ConfigMap> {
        DeserializeGuard(Ok(ConfigMap {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                namespace: Some(namespace.to_owned()),
                ..ObjectMeta::default()
            },
            ..ConfigMap::default()
        }))
    }

    fn names(events: &[Event<DeserializeGuard<ConfigMap>>]) -> Vec<String> {
        let describe = |event: &Event<DeserializeGuard<ConfigMap>>| match event {
            Event::Init => "init".to_owned(),
            Event::InitDone => "done".to_owned(),
            Event::InitApply(object) => format!("first {}", key(object.meta()).1),
            Event::Apply(object) => format!("apply {}", key(object.meta()).1),
            Event::Delete(object) => format!("delete {}", key(object.meta()).1),
        };
        events.iter().map(describe).collect()
    }

    /// Feeds `(watch, event)` pairs to a union of two watches.
    #[track_caller]
    fn check(input: Vec<(usize, Event<DeserializeGuard<ConfigMap>>)>, expected: &[&str]) {
        let mut union = Union::new(2);
        let events: Vec<_> = input
            .into_iter()
            .flat_map(|(index, event)| union.step(index, event))
            .collect();
        assert_eq!(names(&events), expected);
    }

    #[test]
    fn two_first_starts_become_one() {
        check(
            vec![
                (0, Event::Init),
                (0, Event::InitApply(object("a", "x"))),
                (1, Event::Init),
                (0, Event::InitDone),
                (0, Event::Apply(object("a", "z"))),
                (1, Event::InitApply(object("b", "y"))),
                (1, Event::InitDone),
                (1, Event::Apply(object("b", "y"))),
            ],
            &["init", "first x", "first z", "first y", "done", "apply y"],
        );
    }

    #[test]
    fn a_deletion_before_the_first_start_is_complete_comes_after_it() {
        check(
            vec![
                (0, Event::Init),
                (0, Event::InitApply(object("a", "x"))),
                (0, Event::InitDone),
                (0, Event::Delete(object("a", "x"))),
                (1, Event::Init),
                (1, Event::InitDone),
            ],
            &["init", "first x", "done", "delete x"],
        );
    }

    #[test]
    fn what_vanished_while_one_watch_was_interrupted_is_deleted() {
        check(
            vec![
                (0, Event::Init),
                (0, Event::InitApply(object("a", "x"))),
                (0, Event::InitApply(object("a", "gone"))),
                (0, Event::InitDone),
                (1, Event::Init),
                (1, Event::InitApply(object("b", "y"))),
                (1, Event::InitDone),
                (0, Event::Init),
                (0, Event::InitApply(object("a", "x"))),
                (0, Event::InitDone),
            ],
            &[
                "init",
                "first x",
                "first gone",
                "first y",
                "done",
                "apply x",
                "delete gone",
            ],
        );
    }
}
