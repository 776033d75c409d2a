//! What stood in targets before: how a person's revert is told from an update that is due.

use std::collections::BTreeMap;

use crate::remote::RepoPath;

/// The value of an image when it was up to date last, as [`Change::new`](super::Change::new) has it.
/// Where it stands no more, somebody took it back, and it is not written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled<'a> {
    /// It stood in all targets.
    Everywhere(&'a str),
    /// It stood in some targets. In which ones, [`Past`] tells; it is asked for where it matters.
    Somewhere(&'a str),
}

/// Files as they were when their targets were looked at before: of each file one content for each
/// of these looks, in the same order for all; `None` where it was not there.
pub type Past<'a> = BTreeMap<RepoPath, Vec<Option<&'a [u8]>>>;

/// Whether a value that is about to be written was taken back by somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TakenBack {
    No,
    /// It was; the look at which it stood, where that is known.
    Yes(Option<usize>),
    /// The file's past has to be known first.
    Unknown,
}

impl Settled<'_> {
    /// Looks whether `value` stood in a file of which `past` is known. `says` tells whether a
    /// content does.
    pub(super) fn taken_back(
        self,
        value: &str,
        past: Option<&Vec<Option<&[u8]>>>,
        mut says: impl FnMut(&[u8]) -> bool,
    ) -> TakenBack {
        match self {
            Self::Everywhere(settled) if settled == value => TakenBack::Yes(None),
            Self::Somewhere(settled) if settled == value => match past {
                None => TakenBack::Unknown,
                Some(looks) => looks
                    .iter()
                    .position(|content| content.is_some_and(&mut says))
                    .map_or(TakenBack::No, |look| TakenBack::Yes(Some(look))),
            },
            Self::Everywhere(_) | Self::Somewhere(_) => TakenBack::No,
        }
    }
}
