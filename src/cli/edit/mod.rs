//! `edit`: edits one file as the operator would, without git and without a cluster.
//!
//! The formats are the core's (`image_update_core::target`). A file that says all of it already is
//! printed, or left alone, as it is.

mod argument;
mod replace;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use image_update_core::target::argocd_source::{self, OverrideEdit};
use image_update_core::target::helm_values::{self, ValueEdit};
use image_update_core::target::manifests::{self, ManifestEdit, Scope};
use image_update_core::target::markers::{self, MarkerEdit};
use image_update_core::target::{EditError, kustomization};
use image_update_core::yaml::MAX_FILE_BYTES;

use self::argument::ArgumentError;
use self::replace::Original;
use super::failure::Failure;
use super::input::{self, ReadError};
use super::output;

/// Flags of `edit`.
#[derive(Args, Debug)]
pub(super) struct EditArgs {
    #[command(subcommand)]
    format: Format,
}

#[derive(Debug, Subcommand)]
enum Format {
    /// Writes values of a Helm chart; keys that are missing are made
    HelmValues {
        #[command(flatten)]
        file: FileArgs,
        /// A value and where it stands, such as `image.tag=1.20`. What follows the first `=` is
        /// taken as it is and written as a string. A dot in a key is written `\.`, an item of a
        /// list `images[0].tag`. May be given again
        #[arg(long, value_name = "KEY=VALUE", required = true)]
        set: Vec<String>,
    },
    /// Writes entries of `images:` of a kustomization; entries that are missing are added
    Kustomization {
        #[command(flatten)]
        file: FileArgs,
        /// The image's name in the manifests, and what is to run instead. May be given again
        #[arg(long, value_name = "NAME[=NEWNAME][:TAG][@DIGEST]", required = true)]
        image: Vec<String>,
    },
    /// Writes Argo CD's override file `.argocd-source-<application>.yaml`, which is made if it is
    /// missing
    ArgocdSource {
        #[command(flatten)]
        file: FileArgs,
        #[command(flatten)]
        overrides: Overrides,
    },
    /// Writes the images of the containers of plain manifests, wherever a pod's template stands
    Manifests {
        #[command(flatten)]
        file: FileArgs,
        /// The image that containers run, with the tag or digest to run. May be given again
        #[arg(long, value_name = "NAME[:TAG][@DIGEST]", required = true)]
        image: Vec<String>,
    },
    /// Writes the values that stand before Flux's markers `# {"$imagepolicy": "ns:name"}`
    Markers {
        #[command(flatten)]
        file: FileArgs,
        /// The policy that markers name, and its image. May be given again
        #[arg(long, value_name = "NS:NAME=IMAGE[:TAG][@DIGEST]", required = true)]
        policy: Vec<String>,
    },
}

/// The file, and where its new text goes.
#[derive(Args, Debug)]
struct FileArgs {
    /// The file to edit, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replaces the file, in one step and with its mode kept. Unset: the new text is printed
    #[arg(short = 'i', long)]
    in_place: bool,
}

/// An override file is for one kind of source.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Overrides {
    /// A Helm parameter, such as `image.tag=1.20`. May be given again
    #[arg(long, value_name = "NAME=VALUE")]
    helm: Vec<String>,
    /// An image of a kustomization, and what is to run instead. May be given again
    #[arg(long, value_name = "NAME[=NEWNAME][:TAG][@DIGEST]")]
    kustomize: Vec<String>,
}

/// Edits, and prints or replaces the file.
pub(super) fn run(args: &EditArgs) -> Result<(), Failure> {
    match &args.format {
        Format::HelmValues { file, set } => {
            let edits = arguments("--set", set, |text| {
                let (key, value) = argument::assignment(text)?;
                let path = key.parse().map_err(ArgumentError::Path)?;
                Ok(ValueEdit {
                    path,
                    value: value.to_owned(),
                })
            })?;
            edit(file, Missing::IsWrong, |bytes| {
                helm_values::edit(bytes, &edits)
            })
        }
        Format::Kustomization { file, image } => {
            let edits = arguments("--image", image, argument::kustomize_image)?;
            edit(file, Missing::IsWrong, |bytes| {
                kustomization::edit(bytes, &edits)
            })
        }
        Format::ArgocdSource { file, overrides } => {
            let edits = overrides.edits()?;
            edit(file, Missing::IsEmpty, |bytes| {
                argocd_source::edit(bytes, &edits)
            })
        }
        Format::Manifests { file, image } => {
            let edits = arguments("--image", image, |text| {
                let image = argument::image_of_any_name(text)?;
                Ok(ManifestEdit {
                    repository: image.name.clone(),
                    image,
                    scope: Scope::Containers,
                })
            })?;
            edit(file, Missing::IsWrong, |bytes| {
                manifests::edit(bytes, &edits)
            })
        }
        Format::Markers { file, policy } => {
            let edits = arguments("--policy", policy, |text| {
                let (policy, image) = argument::assignment(text)?;
                Ok(MarkerEdit {
                    policy: argument::policy(policy)?,
                    image: argument::image(image)?,
                })
            })?;
            edit(file, Missing::IsWrong, |bytes| markers::edit(bytes, &edits))
        }
    }
}

impl Overrides {
    fn edits(&self) -> Result<Vec<OverrideEdit>, Failure> {
        let Self { helm, kustomize } = self;
        let helm = arguments("--helm", helm, |text| {
            let (name, value) = argument::assignment(text)?;
            Ok(OverrideEdit::HelmParameter {
                name: name.to_owned(),
                value: value.to_owned(),
            })
        });
        let kustomize = arguments("--kustomize", kustomize, |text| {
            argument::kustomize_image(text).map(OverrideEdit::KustomizeImage)
        });
        Ok(helm?.into_iter().chain(kustomize?).collect())
    }
}

/// Reads every value of a flag.
fn arguments<T>(
    flag: &str,
    texts: &[String],
    read: impl Fn(&str) -> Result<T, ArgumentError>,
) -> Result<Vec<T>, Failure> {
    let read = |text: &String| {
        read(text).map_err(|error| {
            let hint = error.hint();
            Failure::flag(flag, text, error).hint(hint)
        })
    };
    texts.iter().map(read).collect()
}

/// What a file that is not there means.
#[derive(Clone, Copy)]
enum Missing {
    /// It has the wrong name.
    IsWrong,
    /// It is made.
    IsEmpty,
}

fn edit(
    args: &FileArgs,
    missing: Missing,
    edit: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, EditError>,
) -> Result<(), Failure> {
    let FileArgs { file, in_place } = args;
    let original = if *in_place {
        Some(Original::open(file).map_err(|error| {
            let failure = Failure::from(error);
            failure.about("-i")
        })?)
    } else {
        None
    };
    let bytes = match (input::read(file, MAX_FILE_BYTES), missing) {
        (Err(ReadError::Missing { .. }), Missing::IsEmpty) => Vec::new(),
        (bytes, _) => bytes?,
    };
    let edited = edit(&bytes).map_err(|error| refused(file, error))?;
    match (original, edited) {
        (Some(original), Some(edited)) => Ok(original.replace(&edited)?),
        (Some(_), None) => Ok(()),
        (None, edited) => output::write(&edited.unwrap_or(bytes)),
    }
}

/// The file is at fault, unless an edit does not come to rest: then this program is.
fn refused(file: &Path, error: EditError) -> Failure {
    let is_ours = matches!(error, EditError::Unsettled { .. });
    let failure = if is_ours {
        Failure::failed(error)
    } else {
        Failure::input(error)
    };
    failure
        .about(input::shown(file))
        .hint("nothing was written; change the place that is named and try again")
}
