//! Looks at the images behind tags: what they were built for, and when.
//!
//! A digest's facts never change, so its manifest and its config are fetched once
//! ([`super::build_cache`]). Which digest a tag has is asked anew from time to time, with HEAD
//! where that may spare something.
//!
//! Facts are told only to those whom the registry has told the digest: [`Seen`] is kept apart for
//! each credential, and is not stored. After a restart each tag costs one HEAD.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, stream};
use image_update_core::image::{
    Build, Digest, Image, Platform, Repository, Tag, TagSet, is_wanted,
};
use image_update_core::policy::Look;
use image_update_core::wire::manifest::{Entry, Manifest};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::Instant;
use tracing::debug;

use super::access::{Access, AccessKey};
use super::build_cache::{BuildCache, Document};
use super::build_folder::BuildFolder;
use super::client::{Client, within};
use super::document;
use super::error::Error;
use super::exchange::Exchange;

/// How long a tag is taken to name the digest that it was seen to name. A tag that is moved is
/// noticed after this time at the latest; asking costs a request for every tag.
const TRUSTED_FOR: Duration = Duration::from_hours(6);

/// The same for a tag that names nothing: it may be on its way.
const GONE_FOR: Duration = Duration::from_mins(5);

/// Images of one repository that are looked at at once.
const CONCURRENCY: usize = 8;

/// The most tags that one question should be about. Beyond that the first look would be a burden
/// to the registry, and what is learnt of several platforms would no longer fit the memory.
pub const MAX_QUESTION: usize = 5_000;

/// The most tags that are remembered in all. Forgetting one costs a HEAD.
const MAX_SEEN: usize = 131_072;

/// Looks at images, and remembers what it saw. Policies of one repository and credential share it.
pub struct Builds {
    client: Client,
    cache: BuildCache,
    seen: Mutex<HashMap<SeenKey, Slot>>,
}

/// What an answer may be shared by.
type SeenKey = (Repository, AccessKey);

/// Held while somebody asks, so that nobody asks the same.
type Slot = Arc<AsyncMutex<Seen>>;

/// The digests that a credential was told of, by tag.
struct Seen {
    used: Instant,
    tags: HashMap<Tag, Sight>,
}

struct Sight {
    /// `None` if the tag names nothing.
    digest: Option<Digest>,
    time: Instant,
}

/// What is asked about every tag.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Whose tags they are.
    pub repository: &'a Repository,
    /// As whom the registry is asked.
    pub access: &'a Access,
    /// The platforms that count; none means all.
    pub platforms: &'a [Platform],
    /// Whether the time of the builds is asked for, besides their platforms.
    pub needs_time: bool,
}

impl Builds {
    /// Looks with `client`; keeps what it learns in memory, and in `folder` if there is one.
    pub fn new(client: Client, folder: Option<&std::path::Path>) -> std::io::Result<Self> {
        let cache = match folder {
            Some(folder) => BuildCache::with_folder(BuildFolder::open(folder)?),
            None => BuildCache::default(),
        };
        Ok(Self {
            client,
            cache,
            seen: Mutex::default(),
        })
    }

    /// What is known of `tags` without asking the registry.
    pub async fn known(&self, question: &Question<'_>, tags: &TagSet) -> BTreeMap<Tag, Look> {
        let slot = self.slot(question);
        let mut seen = slot.lock().await;
        seen.used = Instant::now();
        let mut looks = BTreeMap::new();
        for tag in tags.tags() {
            let look = match seen.fresh(&tag) {
                Some(None) => Some(Look::Gone),
                Some(Some(digest)) => self.assemble(question, digest).await,
                None => None,
            };
            if let Some(look) = look {
                looks.insert(tag, look);
            }
        }
        looks
    }

    /// Looks at `tags`; where a digest is given, at that image.
    ///
    /// Each tag is given [`Access::timeout`]. The first failure ends it; what was learnt before is
    /// kept, so that the next attempt goes on from there.
    pub async fn look(
        &self,
        question: &Question<'_>,
        tags: &[(Tag, Option<Digest>)],
    ) -> Result<BTreeMap<Tag, Look>, Error> {
        self.tidy();
        let slot = self.slot(question);
        let mut seen = slot.lock().await;
        seen.used = Instant::now();
        // Tags that are looked at no more; the others are asked about again before that.
        seen.tags
            .retain(|_, sight| sight.time.elapsed() < 2 * TRUSTED_FOR);
        let is_bulk = tags.len() > 1 || self.cache.has_inherited(question.repository);
        // Somebody may have asked while this was waited for.
        let is_gone = |(tag, digest): &&(Tag, Option<Digest>)| {
            digest.is_none() && seen.fresh(tag) == Some(&None)
        };
        let gone = tags.iter().filter(is_gone);
        let mut looks: BTreeMap<_, _> = gone.map(|(tag, _)| (tag.clone(), Look::Gone)).collect();
        let mut requests = 0;
        let tasks: Vec<_> = tags
            .iter()
            .filter(|(tag, _)| !looks.contains_key(tag))
            .map(|(tag, digest)| Task {
                tag,
                // HEAD is not counted as a pull, and most digests may be known.
                asks_head: is_bulk || seen.tags.contains_key(tag),
                digest: digest
                    .clone()
                    .or_else(|| seen.fresh(tag).cloned().flatten()),
            })
            .collect();
        let mut asked = Vec::with_capacity(tasks.len());
        for task in &tasks {
            asked.push(self.carry_out(question, task));
        }
        let mut answers = stream::iter(asked).buffer_unordered(CONCURRENCY);
        while let Some(answer) = answers.next().await {
            let answer = answer?;
            requests += answer.requests;
            let digest = match &answer.look {
                Look::Found(image) => Some(image.digest.clone()),
                Look::Gone => None,
            };
            let time = Instant::now();
            seen.tags.insert(answer.tag.clone(), Sight { digest, time });
            looks.insert(answer.tag, answer.look);
        }
        debug!(
            image.repository = %question.repository,
            tags = tags.len(),
            requests,
            "Looked at images"
        );
        Ok(looks)
    }

    async fn carry_out(&self, question: &Question<'_>, task: &Task<'_>) -> Result<Answer, Error> {
        let Question {
            repository, access, ..
        } = question;
        let mut exchange = self.client.exchange(repository, access).await?;
        let pause = exchange.pause.clone();
        let looked = self.look_at(question, task, &mut exchange);
        let looked = within(access, repository, &pause, looked).await;
        let look = looked.inspect_err(|_| exchange.reconsider_tls())?;
        Ok(Answer {
            tag: task.tag.clone(),
            look,
            requests: exchange.requests,
        })
    }

    async fn look_at(
        &self,
        question: &Question<'_>,
        task: &Task<'_>,
        exchange: &mut Exchange<'_>,
    ) -> Result<Look, Error> {
        let mut digest = task.digest.clone();
        if digest.is_none() && task.asks_head {
            digest = document::digest_of(exchange, task.tag).await?;
        }
        let digest = match digest {
            Some(digest) => digest,
            None => match document::of_tag(exchange, task.tag).await? {
                Some((digest, manifest)) => {
                    if self.cache.get(question.repository, &digest).await.is_none() {
                        self.learn(question, exchange, &digest, manifest).await?;
                    }
                    digest
                }
                None => return Ok(Look::Gone),
            },
        };
        let builds = match self.document(question, exchange, &digest).await? {
            Some(Document::Image(build)) => vec![build],
            Some(Document::Index(entries)) => self.children(question, exchange, &entries).await?,
            Some(Document::Other) => Vec::new(),
            None => return Ok(Look::Gone),
        };
        Ok(Look::Found(Image { digest, builds }))
    }

    /// The images of an index, as far as they matter for the question.
    async fn children(
        &self,
        question: &Question<'_>,
        exchange: &mut Exchange<'_>,
        entries: &[Entry],
    ) -> Result<Vec<Build>, Error> {
        let mut builds = Vec::new();
        for entry in entries {
            if !question.reads(entry) {
                builds.push(unread(entry));
                continue;
            }
            // An index may name what its registry does not have: it is no image to run.
            let child = self.document(question, exchange, &entry.digest).await?;
            builds.extend(child.and_then(|child| built(entry, child)));
        }
        Ok(builds)
    }

    /// The document with this digest, from wherever it is; `None` if there is none.
    async fn document(
        &self,
        question: &Question<'_>,
        exchange: &mut Exchange<'_>,
        digest: &Digest,
    ) -> Result<Option<Document>, Error> {
        if let Some(document) = self.cache.get(question.repository, digest).await {
            return Ok(Some(document));
        }
        match document::of_digest(exchange, digest).await? {
            Some(manifest) => self.learn(question, exchange, digest, manifest).await,
            None => Ok(None),
        }
    }

    /// Completes a manifest with its config, and keeps it. Without its config an image can't run,
    /// so it is not there.
    async fn learn(
        &self,
        question: &Question<'_>,
        exchange: &mut Exchange<'_>,
        digest: &Digest,
        manifest: Manifest,
    ) -> Result<Option<Document>, Error> {
        let document = match manifest {
            Manifest::Image { config } => match document::config(exchange, &config).await? {
                Some(build) => Document::Image(build),
                None => return Ok(None),
            },
            Manifest::Index(entries) => Document::Index(entries),
            Manifest::Other => Document::Other,
        };
        self.cache.put(question.repository, digest, &document).await;
        Ok(Some(document))
    }

    /// The answer to a question about a digest, if all of it is known.
    async fn assemble(&self, question: &Question<'_>, digest: &Digest) -> Option<Look> {
        let builds = match self.cache.get(question.repository, digest).await? {
            Document::Image(build) => vec![build],
            Document::Other => Vec::new(),
            Document::Index(entries) => {
                let mut builds = Vec::new();
                for entry in &entries {
                    if question.reads(entry) {
                        let child = self.cache.get(question.repository, &entry.digest).await?;
                        builds.extend(built(entry, child));
                    } else {
                        builds.push(unread(entry));
                    }
                }
                builds
            }
        };
        let digest = digest.clone();
        Some(Look::Found(Image { digest, builds }))
    }

    fn slot(&self, question: &Question<'_>) -> Slot {
        let mut slots = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (question.repository.clone(), question.access.key());
        let new = || {
            Arc::new(AsyncMutex::new(Seen {
                used: Instant::now(),
                tags: HashMap::new(),
            }))
        };
        Arc::clone(slots.entry(key).or_insert_with(new))
    }

    /// Forgets repositories that nobody asks about, and those asked about longest ago if there
    /// are too many.
    fn tidy(&self) {
        let mut slots = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, slot| {
            let is_idle = |seen: &Seen| seen.used.elapsed() > TRUSTED_FOR;
            !slot.try_lock().is_ok_and(|seen| is_idle(&seen))
        });
        let mut sizes: Vec<(Instant, usize, SeenKey)> = slots
            .iter()
            .filter_map(|(key, slot)| {
                let seen = slot.try_lock().ok()?;
                Some((seen.used, seen.tags.len(), key.clone()))
            })
            .collect();
        let mut total: usize = sizes.iter().map(|(_, size, _)| size).sum();
        sizes.sort_unstable_by_key(|(used, _, _)| *used);
        for (_, size, key) in sizes {
            if total <= MAX_SEEN {
                break;
            }
            total -= size;
            slots.remove(&key);
        }
    }
}

/// One tag to look at.
struct Task<'a> {
    tag: &'a Tag,
    asks_head: bool,
    digest: Option<Digest>,
}

struct Answer {
    tag: Tag,
    look: Look,
    requests: u32,
}

impl Seen {
    /// What a tag was seen to name, if that is not too long ago.
    fn fresh(&self, tag: &Tag) -> Option<&Option<Digest>> {
        self.fresh_at(tag, Instant::now())
    }

    fn fresh_at(&self, tag: &Tag, now: Instant) -> Option<&Option<Digest>> {
        let sight = self.tags.get(tag)?;
        let trusted = if sight.digest.is_some() {
            TRUSTED_FOR
        } else {
            GONE_FOR
        };
        (now.duration_since(sight.time) < trusted).then_some(&sight.digest)
    }
}

impl Question<'_> {
    /// Whether the config of an index's image has to be read.
    fn reads(&self, entry: &Entry) -> bool {
        match &entry.platform {
            Some(platform) => self.needs_time && is_wanted(Some(platform), self.platforms),
            None => true,
        }
    }
}

fn unread(entry: &Entry) -> Build {
    Build {
        platform: entry.platform.clone(),
        created: None,
    }
}

/// An image of an index; `None` if it turns out to be something else.
fn built(entry: &Entry, child: Document) -> Option<Build> {
    match child {
        Document::Image(build) => Some(Build {
            platform: entry.platform.clone().or(build.platform),
            created: build.created,
        }),
        Document::Index(_) | Document::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag() -> Tag {
        "1.0".parse().expect("it is a tag")
    }

    /// Whether what a tag was seen to name is still trusted `later`.
    #[track_caller]
    fn check_trust(digest: Option<Digest>, later: Duration, expected: bool) {
        let time = Instant::now();
        let seen = Seen {
            used: time,
            tags: HashMap::from([(tag(), Sight { digest, time })]),
        };
        let is_fresh = seen.fresh_at(&tag(), time + later).is_some();
        assert_eq!(is_fresh, expected, "after {later:?}");
    }

    #[test]
    fn a_tag_is_asked_about_again_after_a_time() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let digest: Digest = digest.parse().expect("it is a digest");
        let second = Duration::from_secs(1);
        for (digest, trusted) in [(Some(digest), TRUSTED_FOR), (None, GONE_FOR)] {
            check_trust(digest.clone(), trusted.saturating_sub(second), true);
            check_trust(digest, trusted + second, false);
        }
    }

    #[tokio::test]
    async fn what_was_asked_longest_ago_is_forgotten_first() {
        let builds = Builds::new(Client::new(), None).expect("it needs no folder");
        let names = ["a", "b", "c"];
        for name in names {
            let repository = format!("registry.example/{name}");
            let repository = repository.parse().expect("it is a repository");
            let access = Access::default();
            let question = Question {
                repository: &repository,
                access: &access,
                platforms: &[],
                needs_time: false,
            };
            let slot = builds.slot(&question);
            let mut seen = slot.lock().await;
            seen.used = Instant::now();
            for number in 0..=MAX_SEEN / 3 {
                let tag = format!("v{number}").parse().expect("it is a tag");
                let (digest, time) = (None, Instant::now());
                seen.tags.insert(tag, Sight { digest, time });
            }
        }
        builds.tidy();
        let slots = builds.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left: Vec<&str> = slots.keys().map(|(it, _)| it.path()).collect();
        left.sort_unstable();
        assert_eq!(left, ["b", "c"]);
    }
}
