//! What an Argo CD Application says about its sources: which one a policy means, what it is, and
//! where in git its files are. Pure; the object itself is read elsewhere.

mod application;
mod live;
mod place;
pub mod repository;
mod source;

pub use application::{Application, Source, SourceType};
pub use live::live_image;
pub use place::{Place, PlaceError, place};
pub use source::{Chosen, SourceError, SourceSelector, choose};
