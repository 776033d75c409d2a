//! From the tree of the file to its entries.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Url;

use super::problem::{Fault, Problem, Problems, Warning};
use super::{CredentialSource, MAX_BYTES, MAX_REGISTRIES, Prefix, RegistriesConf, Registry};
use crate::duration;
use crate::image::{Excerpt, Repository};
use crate::yaml::{Kind, NodeId, Stream};

/// The prefix of Docker Hub.
const DOCKER_HUB: &str = "docker.io";

/// The key of a file.
const REGISTRIES: &str = "registries";

/// The keys of an entry.
const KEYS: [&str; 13] = [
    "name",
    "prefix",
    "api_url",
    "ping",
    "credentials",
    "credsexpire",
    "tagsortmode",
    "insecure",
    "ca_file",
    "ca_data",
    "defaultns",
    "limit",
    "default",
];

/// [`KEYS`] as a sentence; a test holds them together.
pub(super) const KNOWN: &str = "name, prefix, api_url, ping, credentials, credsexpire, \
     tagsortmode, insecure, ca_file, ca_data, defaultns, limit, default";

/// Reads a whole file.
pub(super) fn file(file: &[u8]) -> Result<RegistriesConf, Problems> {
    let whole = |fault| Problem {
        line: 0,
        key: None,
        fault,
    };
    let stream = if file.len() > MAX_BYTES {
        Err(Fault::TooLarge)
    } else {
        Stream::parse(file).map_err(Fault::Yaml)
    };
    let mut problems = Vec::new();
    match stream {
        Err(fault) => problems.push(whole(fault)),
        Ok(stream) => {
            let mut reader = Reader {
                stream: &stream,
                problems: Vec::new(),
                warnings: Vec::new(),
            };
            let conf = reader.conf();
            if reader.problems.is_empty() {
                return Ok(conf);
            }
            problems = reader.problems;
        }
    }
    match Problems::of(problems) {
        Some(problems) => Err(problems),
        None => Ok(RegistriesConf::default()),
    }
}

struct Reader<'a> {
    stream: &'a Stream,
    problems: Vec<Problem>,
    warnings: Vec<Warning>,
}

/// The values of a mapping by key, with the line of each key.
type Fields<'a> = BTreeMap<&'a str, (usize, NodeId)>;

/// An entry with the lines that a later entry may refer to.
struct Placed {
    line: usize,
    default_line: usize,
    registry: Registry,
}

impl<'a> Reader<'a> {
    fn conf(&mut self) -> RegistriesConf {
        if let Some(second) = self.stream.documents().get(1) {
            let line = self.stream.position(second.start()).line;
            self.add(line, None, Fault::SecondDocument);
        }
        let entries = self.entries();
        let placed: Vec<Placed> = entries
            .into_iter()
            .filter_map(|entry| self.entry(entry))
            .collect();
        self.compare(&placed);
        RegistriesConf {
            registries: placed.into_iter().map(|placed| placed.registry).collect(),
            warnings: std::mem::take(&mut self.warnings),
        }
    }

    /// The items of `registries`.
    fn entries(&mut self) -> Vec<NodeId> {
        let Some(root) = self.stream.first_root() else {
            return Vec::new();
        };
        let fields = self.fields(root, &[REGISTRIES], REGISTRIES);
        let Some((line, value)) = fields.and_then(|fields| fields.get(REGISTRIES).copied()) else {
            return Vec::new();
        };
        let value = self.stream.follow(value);
        let Kind::Sequence { items, .. } = &self.stream.node(value).kind else {
            if !self.stream.is_null(value) {
                self.add(line, Some(REGISTRIES), Fault::NotAList);
            }
            return Vec::new();
        };
        if items.len() > MAX_REGISTRIES {
            self.add(line, Some(REGISTRIES), Fault::TooManyRegistries);
            return Vec::new();
        }
        items.clone()
    }

    /// `None` where a problem was found.
    fn entry(&mut self, id: NodeId) -> Option<Placed> {
        let line = self.stream.place(id).line;
        let found = self.problems.len();
        let fields = self.fields(id, &KEYS, KNOWN)?;
        let name = self.text(&fields, "name").map(|(_, name)| name.to_owned());
        self.require(line, "name", name.is_some(), "any text names the registry");
        let api_url = self.value(&fields, "api_url", url);
        let hint = "the URL of the registry, such as https://registry-1.docker.io";
        self.require(line, "api_url", fields.contains_key("api_url"), hint);
        // Checked like any other, and of no effect: no registry is asked anything but for tags
        // and manifests while that is enough.
        self.value(&fields, "ping", boolean);
        self.tag_sort_mode(&fields);
        let registry = Registry {
            name: name.unwrap_or_default(),
            prefix: self
                .value(&fields, "prefix", |text| optional(text, Prefix::from_str))
                .flatten(),
            api_url: api_url.unwrap_or_else(placeholder),
            credentials: self
                .value(&fields, "credentials", |text| {
                    optional(text, CredentialSource::from_str)
                })
                .flatten(),
            credentials_expire: self.value(&fields, "credsexpire", expiry).flatten(),
            insecure: self.value(&fields, "insecure", boolean).unwrap_or_default(),
            ca_file: self
                .value(&fields, "ca_file", |text| optional(text, path))
                .flatten(),
            ca_data: self
                .value(&fields, "ca_data", |text| optional(text, pem))
                .flatten(),
            default_namespace: self
                .value(&fields, "defaultns", |text| optional(text, namespace))
                .flatten(),
            limit: self.value(&fields, "limit", limit).flatten(),
            is_default: self.value(&fields, "default", boolean).unwrap_or_default(),
        };
        let default_line = fields.get("default").map_or(line, |(line, _)| *line);
        (self.problems.len() == found).then_some(Placed {
            line,
            default_line,
            registry,
        })
    }

    /// Refuses entries that contradict each other.
    fn compare(&mut self, placed: &[Placed]) {
        let mut prefixes: BTreeMap<Option<&Prefix>, usize> = BTreeMap::new();
        let mut default = None;
        for entry in placed {
            let prefix = entry.registry.prefix.as_ref();
            match (prefixes.get(&prefix), prefix) {
                (None, _) => {
                    prefixes.insert(prefix, entry.line);
                }
                (Some(&other), Some(prefix)) => {
                    let prefix = Excerpt::new(prefix.as_str());
                    let fault = Fault::RepeatedPrefix { prefix, other };
                    self.add(entry.line, Some("prefix"), fault);
                }
                (Some(&other), None) => {
                    let fault = Fault::SecondWithoutPrefix { other };
                    self.add(entry.line, Some("prefix"), fault);
                }
            }
            if !entry.registry.is_default {
                continue;
            }
            match default {
                None => default = Some(entry),
                Some(other) => {
                    let other = other.default_line;
                    let fault = Fault::SecondDefault { other };
                    self.add(entry.default_line, Some("default"), fault);
                }
            }
        }
        let is_docker_hub =
            |prefix: Option<&Prefix>| prefix.is_some_and(|prefix| prefix.as_str() == DOCKER_HUB);
        let has_docker_hub = prefixes.keys().any(|prefix| is_docker_hub(*prefix));
        if let Some(entry) = default
            && has_docker_hub
            && !is_docker_hub(entry.registry.prefix.as_ref())
        {
            let line = entry.default_line;
            self.warnings.push(Warning::DefaultNotUsed { line });
        }
    }

    /// The fields of a mapping that are known; `None` where there is none.
    fn fields(&mut self, id: NodeId, known: &[&str], sentence: &'static str) -> Option<Fields<'a>> {
        let mut fields = Fields::new();
        let id = self.stream.follow(id);
        let Kind::Mapping { entries, .. } = &self.stream.node(id).kind else {
            self.add(self.stream.place(id).line, None, Fault::NotAMapping);
            return None;
        };
        for &(key, value) in entries {
            let line = self.stream.place(key).line;
            match self.stream.scalar(key) {
                Some(name) if known.contains(&name) => {
                    if fields.insert(name, (line, value)).is_some() {
                        self.add(line, Some(name), Fault::RepeatedKey);
                    }
                }
                name => self.add(line, name, Fault::UnknownKey { known: sentence }),
            }
        }
        Some(fields)
    }

    /// The text of a key with its line; `None` where it is missing or null, as Go reads it.
    fn text(&mut self, fields: &Fields<'a>, key: &'static str) -> Option<(usize, &'a str)> {
        let &(line, id) = fields.get(key)?;
        let id = self.stream.follow(id);
        if self.stream.is_null(id) {
            return None;
        }
        let text = self.stream.scalar(id);
        if text.is_none() {
            self.add(line, Some(key), Fault::NotAScalar);
        }
        text.map(|text| (line, text))
    }

    fn value<T>(
        &mut self,
        fields: &Fields<'a>,
        key: &'static str,
        read: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<T> {
        let (line, text) = self.text(fields, key)?;
        match read(text) {
            Ok(value) => Some(value),
            Err(fault) => {
                self.add(line, Some(key), fault);
                None
            }
        }
    }

    fn require(&mut self, line: usize, key: &'static str, is_there: bool, hint: &'static str) {
        if !is_there {
            self.add(line, Some(key), Fault::Missing { hint });
        }
    }

    fn tag_sort_mode(&mut self, fields: &Fields<'a>) {
        if let Some((line, value)) = self.text(fields, "tagsortmode")
            && !matches!(value, "" | "none")
        {
            let value = Excerpt::new(value);
            self.warnings.push(Warning::TagSortMode { line, value });
        }
    }

    fn add(&mut self, line: usize, key: Option<&str>, fault: Fault) {
        let key = key.map(Excerpt::new);
        self.problems.push(Problem { line, key, fault });
    }
}

/// Stands where an entry is refused anyway.
fn placeholder() -> Url {
    Url::parse("https://registry.invalid").expect("a constant URL is a URL")
}

/// An empty text is no value, as for the old updater.
fn optional<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, Fault>,
) -> Result<Option<T>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    read(text).map(Some)
}

/// The words of YAML 1.1, which go-yaml takes for booleans.
fn boolean(text: &str) -> Result<bool, Fault> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["true", "yes", "on", "y"]) {
        Ok(true)
    } else if is(&["false", "no", "off", "n"]) {
        Ok(false)
    } else {
        Err(Fault::NotABoolean(Excerpt::new(text)))
    }
}

/// Zero and less mean "no limit".
fn limit(text: &str) -> Result<Option<NonZeroU32>, Fault> {
    let number: i64 = text
        .parse()
        .map_err(|_| Fault::NotANumber(Excerpt::new(text)))?;
    // A limit that does not fit would never be reached.
    Ok(u32::try_from(number).ok().and_then(NonZeroU32::new))
}

/// A Go duration; zero means "never".
fn expiry(text: &str) -> Result<Option<Duration>, Fault> {
    if matches!(text, "" | "0") {
        return Ok(None);
    }
    let expiry = duration::parse(text).map_err(Fault::Duration)?;
    Ok((!expiry.is_zero()).then_some(expiry))
}

fn url(text: &str) -> Result<Url, Fault> {
    let has_user = text
        .split_once("://")
        .is_some_and(|(_, rest)| rest.split('/').next().unwrap_or_default().contains('@'));
    let parsed = Url::parse(text).ok();
    let brings_user = parsed
        .as_ref()
        .is_some_and(|url| !url.username().is_empty() || url.password().is_some());
    if has_user || brings_user {
        return Err(Fault::UrlWithUser);
    }
    let is_api = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
    };
    parsed
        .filter(is_api)
        .ok_or_else(|| Fault::Url(Excerpt::new(text)))
}

fn path(text: &str) -> Result<PathBuf, Fault> {
    let is_path = text.starts_with('/') && !text.chars().any(char::is_control);
    is_path
        .then(|| PathBuf::from(text))
        .ok_or_else(|| Fault::RelativePath(Excerpt::new(text)))
}

/// Whether the certificates are any good is found out when a connection is made with them.
fn pem(text: &str) -> Result<String, Fault> {
    text.contains("-----BEGIN CERTIFICATE-----")
        .then(|| text.to_owned())
        .ok_or(Fault::NotPem)
}

fn namespace(text: &str) -> Result<String, Fault> {
    let repository: Result<Repository, _> = format!("{DOCKER_HUB}/{text}/name").parse();
    let is_namespace = repository.is_ok_and(|it| it.path() == format!("{text}/name"));
    is_namespace
        .then(|| text.to_owned())
        .ok_or_else(|| Fault::Namespace(Excerpt::new(text)))
}
