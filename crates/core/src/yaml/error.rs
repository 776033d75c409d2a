//! What can be wrong with a YAML file or with an edit of it, always with the place.

use std::fmt;

use super::path::KeyPath;
use crate::text::visible;

/// A place in a file, as an editor shows it: both numbers start at 1, columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1. A line ends at `\n`, `\r\n` or `\r`.
    pub line: usize,
    /// Column, from 1, in characters. A byte order mark has no column.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {} column {}", self.line, self.column)
    }
}

/// Text of the file or of the parser, made fit for a message: one line and bounded.
#[derive(Clone, PartialEq, Eq)]
pub struct Excerpt(String);

impl Excerpt {
    /// Longest excerpt in characters. Enough for a key or a parser's sentence; a whole value
    /// from a file has no place in a condition or a log line.
    pub const MAX_CHARACTERS: usize = 120;

    /// Keeps the beginning of `text`, without characters that act on a terminal.
    pub fn new(text: &str) -> Self {
        Self(visible(text, Self::MAX_CHARACTERS))
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, formatter)
    }
}

/// Why a file could not be read or edited. The file is then left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The file, or what it would become, is larger than [`super::MAX_FILE_BYTES`].
    #[error("the file has {bytes} bytes, more than the {limit} that are edited")]
    TooLarge {
        /// Size found.
        bytes: usize,
        /// Size allowed.
        limit: usize,
    },

    /// Not UTF-8, so not YAML that every reader reads alike.
    #[error("the file is not UTF-8 at byte {offset}; save it as UTF-8")]
    NotUtf8 {
        /// First byte that is not UTF-8.
        offset: usize,
    },

    /// U+0085, U+2028 or U+2029: a line break for YAML 1.1 readers (Go) and text for others.
    #[error(
        "Unicode line separator U+{character:04X} at {at}: YAML readers disagree about it; write it as an escape or delete it"
    )]
    LineSeparator {
        /// The character's number.
        character: u32,
        /// Where it stands.
        at: Position,
    },

    /// U+FEFF behind the first character.
    #[error("byte order mark inside the file at {at}; delete it")]
    ByteOrderMark {
        /// Where it stands.
        at: Position,
    },

    /// An anchor name that YAML 1.1 and 1.2 readers cut at different places.
    #[error(
        "YAML readers disagree about the anchor name `{name}` at {at}; use letters, digits, `-` and `_`"
    )]
    AnchorName {
        /// The name as written.
        name: Excerpt,
        /// Where it stands.
        at: Position,
    },

    /// An alias inside the node that it stands for.
    #[error("the alias at {at} refers to a node around it; nothing can read that")]
    RecursiveAlias {
        /// Where the alias stands.
        at: Position,
    },

    /// Not YAML.
    #[error("could not parse the file at {at}: {reason}")]
    Syntax {
        /// Where the parser stopped.
        at: Position,
        /// The parser's words.
        reason: Excerpt,
    },

    /// A path that is not `key.key[0]`.
    #[error(
        "bad index or empty key in the path `{path}`: write keys as `a.b[0].c`, a dot in a key as `\\.`"
    )]
    BadPath {
        /// The path as given.
        path: Excerpt,
    },

    /// Both `a.b` and `a: {b}` are there: which one the chart reads is not for us to guess.
    #[error("the path `{path}` is ambiguous: it stands at {first} and at {second}; delete one")]
    AmbiguousPath {
        /// The path looked for.
        path: KeyPath,
        /// One of the places.
        first: Position,
        /// Another of the places.
        second: Position,
    },

    /// A key twice in one mapping, on the way to the value.
    #[error("duplicate key `{key}` at {at}; delete one of the two")]
    DuplicateKey {
        /// The key.
        key: Excerpt,
        /// The second occurrence.
        at: Position,
    },

    /// An index, but no list to apply it to.
    #[error("not a list: the value at {at} has no items; the path `{path}` asks for one")]
    NotASequence {
        /// What was being looked up.
        path: KeyPath,
        /// Where the value stands.
        at: Position,
    },

    /// A key, but the value there is a list.
    #[error("the list at {at} needs an index, such as `[0]`, in the path `{path}`")]
    NeedsIndex {
        /// What was being looked up.
        path: KeyPath,
        /// Where the list stands.
        at: Position,
    },

    /// An index behind the end of the list. Lists are not made or lengthened by an index.
    #[error("index out of range: `{path}` asks for [{index}] of a list of {length}")]
    OutOfRange {
        /// What was being looked up.
        path: KeyPath,
        /// The index.
        index: usize,
        /// Number of items there are.
        length: usize,
    },

    /// A key, but the value there has none.
    #[error("not a mapping: the value at {at} has no keys; the path `{path}` asks for one")]
    NotAMapping {
        /// What was being looked up.
        path: KeyPath,
        /// Where the value stands.
        at: Position,
    },

    /// A mapping or a list where text is to be written.
    #[error("not a scalar: the value at {at} is a mapping or a list; give the path of one value")]
    NotAScalar {
        /// Where the value stands.
        at: Position,
    },

    /// `!!int`, `!vault` and the like: new text under such a tag means something else.
    #[error(
        "the value at {at} has the explicit tag `{tag}`; delete the tag or write a string there"
    )]
    ExplicitTag {
        /// The tag as written.
        tag: Excerpt,
        /// Where the value stands.
        at: Position,
    },

    /// A key or an item to be added to something that is shared by an alias.
    #[error(
        "adding to the alias at {at} would change every user of its anchor; write the value out there"
    )]
    ThroughAlias {
        /// Where the alias stands.
        at: Position,
    },

    /// The parent comes from `<<`: a local one would hide the rest of it.
    #[error(
        "`{key}` at {at} comes from a merge key, and a local `{key}` would hide the rest of it; write it out there"
    )]
    InheritedParent {
        /// The inherited key.
        key: Excerpt,
        /// The mapping with the merge key.
        at: Position,
    },

    /// A `<<` below a key brings the same key again: yaml.v2 (Helm) takes the later one.
    #[error(
        "the merge key at {at} brings `{key}` again behind the local one, and readers disagree which counts; move the merge key up"
    )]
    MergeOverrides {
        /// The key.
        key: Excerpt,
        /// Where the merge key stands.
        at: Position,
    },

    /// A value that is to be removed is inherited or anchored.
    #[error(
        "could not remove `{key}` at {at}: it is shared by an anchor or a merge key; write it out there"
    )]
    SharedRemoval {
        /// The key.
        key: Excerpt,
        /// Where its value stands.
        at: Position,
    },

    /// A place that is legal YAML and that this editor does not write to.
    #[error(
        "could not write at {at}: unusual YAML there; write the value in the form `key: value` first"
    )]
    UnsupportedPlace {
        /// Where it is.
        at: Position,
    },

    /// The edited text did not read back as the same file with the one change.
    #[error(
        "verification failed near {at}: the edit would have changed more than the value; write the value by hand once"
    )]
    Verification {
        /// Where the edit was made.
        at: Position,
    },
}
