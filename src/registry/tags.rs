//! Lists the tags of a repository, page by page, to the end or not at all.
//!
//! Specification: <https://github.com/opencontainers/distribution-spec/blob/v1.1.1/spec.md#listing-tags>

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use image_update_core::image::{Digest, Excerpt, TagSet};
use image_update_core::wire::{link_header, tag_page};
use reqwest::header::{ETAG, HeaderValue, LINK};
use reqwest::{Method, StatusCode};
use url::Url;

use super::answer::Answer;
use super::digest;
use super::endpoint::has_credential;
use super::error::{BodyError, Error, Expected, Host};
use super::exchange::{Exchange, Request};

/// The tags asked for with one page: the most that GitHub, Amazon and Google give at once.
const PAGE_TAGS: u32 = 1000;

/// The most pages of a list. At the 100 tags of registries that ignore what is asked for, this
/// is 50,000 tags; the largest public repositories have some ten thousand.
const MAX_PAGES: u32 = 500;

/// The most tags of a list: what [`MAX_PAGES`] full pages hold.
const MAX_TAGS: usize = 500_000;

/// The largest page. A thousand tags of the greatest length are 131 KB; registries that do not
/// page send everything at once, and this is 60,000 such tags or half a million common ones.
const MAX_PAGE_BYTES: usize = 8 * 1024 * 1024;

/// The most bytes of all pages: half a million tags of the greatest length.
const MAX_LIST_BYTES: usize = 64 * 1024 * 1024;

/// The tags of a repository at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagList {
    /// Every tag.
    pub tags: Arc<TagSet>,
    /// The digest of the tags in their order: the same list has the same revision.
    pub revision: Digest,
    /// How many requests it took, those for tokens and those that were repeated included.
    pub requests: u32,
    /// What was in the list and is no tag, if anything.
    pub skipped: Option<SkippedTags>,
    /// What the registry calls this state of a list of one page, for it to say that nothing
    /// changed. Of several pages each would have to be asked for.
    pub(super) etag: Option<HeaderValue>,
}

/// Entries of a list that were left out because nobody could pull them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedTags {
    /// How many.
    pub count: usize,
    /// The first of them.
    pub first: Excerpt,
}

/// Reads every page; or none, where the registry says that the list is what it was `before`.
pub(super) async fn list(
    exchange: &mut Exchange<'_>,
    before: Option<&TagList>,
) -> Result<TagList, Error> {
    let mut url = exchange.url("tags/list");
    url.set_query(Some(&format!("n={PAGE_TAGS}")));

    let mut collected = Collected::default();
    let mut visited = HashSet::new();
    for _ in 0..MAX_PAGES {
        visited.insert(url.clone());
        let is_first = collected.pages.is_empty();
        let before = before.filter(|_| is_first);
        let request = Request {
            if_none_match: before.and_then(|it| it.etag.clone()),
            ..Request::new(Method::GET, url, "application/json", MAX_PAGE_BYTES)
        };
        let answer = exchange.ask(request).await?;
        if let (StatusCode::NOT_MODIFIED, Some(before)) = (answer.status, before) {
            return Ok(TagList {
                requests: exchange.requests,
                ..before.clone()
            });
        }
        let had_something_new = collected.add(exchange, &answer)?;
        let Some(next) = next_page(exchange, &answer)? else {
            let etag = answer.headers.get(ETAG).filter(|_| is_first).cloned();
            return Ok(collected.finish(exchange.requests, etag));
        };
        if visited.contains(&next) || !had_something_new {
            return Err(Error::RepeatedPage {
                repository: exchange.repository.clone(),
            });
        }
        url = next;
    }
    Err(Error::TooManyPages {
        repository: exchange.repository.clone(),
        limit: MAX_PAGES,
    })
}

/// What the pages read so far hold.
#[derive(Default)]
struct Collected {
    pages: Vec<TagSet>,
    /// Hashes of the tags; they only tell whether a page has something new.
    seen: HashSet<u64>,
    hasher: RandomState,
    bytes: usize,
    skipped: Option<SkippedTags>,
}

impl Collected {
    /// Adds a page; false when every one of its tags was there already.
    fn add(&mut self, exchange: &Exchange<'_>, answer: &Answer) -> Result<bool, Error> {
        if !answer.status.is_success() {
            return Err(refusal(exchange, answer));
        }
        let repository = || exchange.repository.clone();
        let page = parse(answer).map_err(|source| Error::InvalidBody {
            repository: repository(),
            expected: Expected::TagList,
            source,
        })?;
        self.bytes += answer.body.len();
        if self.bytes > MAX_LIST_BYTES {
            let host = Host::of(&answer.url);
            return Err(Error::BodyTooLarge {
                repository: repository(),
                host,
                limit: MAX_LIST_BYTES,
            });
        }
        let (tags, others) = TagSet::read(page.iter().map(AsRef::as_ref));
        let mut had_something_new = page.is_empty() || !others.is_empty();
        for tag in tags.iter() {
            had_something_new |= self.seen.insert(self.hasher.hash_one(tag));
        }
        for text in others {
            self.skip(text);
        }
        exchange.shared.listed.page(tags.len());
        self.pages.push(tags);
        if self.seen.len() > MAX_TAGS {
            return Err(Error::TooManyTags {
                repository: repository(),
                limit: MAX_TAGS,
            });
        }
        Ok(had_something_new)
    }

    fn skip(&mut self, text: &str) {
        self.skipped
            .get_or_insert_with(|| SkippedTags {
                count: 0,
                first: Excerpt::new(text),
            })
            .count += 1;
    }

    fn finish(mut self, requests: u32, etag: Option<HeaderValue>) -> TagList {
        let tags = match self.pages.pop() {
            Some(only) if self.pages.is_empty() => only,
            last => TagSet::union(self.pages.iter().chain(&last)),
        };
        TagList {
            requests,
            skipped: self.skipped,
            etag,
            ..TagList::from(tags)
        }
    }
}

/// A list that nobody was asked for.
impl From<TagSet> for TagList {
    fn from(tags: TagSet) -> Self {
        Self {
            revision: digest::of_tags(&tags),
            tags: Arc::new(tags),
            requests: 0,
            skipped: None,
            etag: None,
        }
    }
}

fn refusal(exchange: &Exchange<'_>, answer: &Answer) -> Error {
    if answer.status == StatusCode::NOT_FOUND {
        let said = exchange.remark(answer);
        return Error::RepositoryNotFound {
            repository: exchange.repository.clone(),
            said,
        };
    }
    exchange.refusal(answer)
}

/// Reads the tags of a page.
fn parse(answer: &Answer) -> Result<Vec<Cow<'_, str>>, BodyError> {
    if !is_json(answer.media_type().as_deref()) {
        return Err(answer.wrong_content_type());
    }
    tag_page::parse(&answer.body).map_err(BodyError::TagPage)
}

/// Whether a content type may be that of JSON. Some registries send none, and Amazon's has sent
/// `text/plain`; the pages of proxies and logins are `text/html`.
fn is_json(media_type: Option<&str>) -> bool {
    media_type.is_none_or(|media_type| {
        matches!(media_type, "application/json" | "text/plain") || media_type.ends_with("+json")
    })
}

/// Where the next page is, if there is one: on the host of this page, and nowhere else.
fn next_page(exchange: &Exchange<'_>, answer: &Answer) -> Result<Option<Url>, Error> {
    let repository = || exchange.repository.clone();
    let invalid = |source| Error::InvalidLink {
        repository: repository(),
        source,
    };
    for value in answer.headers.get_all(LINK) {
        let value = value.to_str().map_err(|_| invalid(None))?;
        let Some(target) = link_header::next(value).map_err(|error| invalid(Some(error)))? else {
            continue;
        };
        let next = answer.url.join(target).map_err(|_| invalid(None))?;
        if next.origin() != answer.url.origin() || has_credential(&next) {
            return Err(Error::ForeignLink {
                repository: repository(),
                host: Host::of(&next),
            });
        }
        return Ok(Some(next));
    }
    Ok(None)
}
