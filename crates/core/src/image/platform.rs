//! A platform: what an image was built for.

use std::fmt;
use std::str::FromStr;

/// The bytes one part of a platform has at most.
const MAX_PART_LENGTH: usize = 32;

/// An operating system and an architecture, with a variant where that matters:
/// `linux/amd64`, `linux/arm/v7`.
///
/// The names are Go's `GOOS` and `GOARCH`, as the OCI image index uses them. The names `uname`
/// knows are read too: `x86_64` is `amd64`, `aarch64` is `arm64`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    os: Box<str>,
    architecture: Box<str>,
    variant: Option<Box<str>>,
}

/// Why a text is not a platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlatformError {
    /// There are fewer than two parts or more than three.
    #[error("a platform is written os/architecture or os/architecture/variant")]
    WrongParts,
    /// A part is empty, too long, or holds something other than `[a-z0-9._-]`.
    #[error(
        "a part of a platform has lower-case letters, digits, '.', '_' and '-', \
         at most {MAX_PART_LENGTH}"
    )]
    BadPart,
}

impl Platform {
    /// Builds a platform from the fields of an image index or an image config.
    ///
    /// An empty `variant` is none.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Result<Self, PlatformError> {
        let architecture = match architecture {
            "x86_64" | "x86-64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let variant = Some(variant).filter(|variant| !variant.is_empty());
        if ![os, architecture].into_iter().chain(variant).all(is_part) {
            return Err(PlatformError::BadPart);
        }
        Ok(Self {
            os: os.into(),
            architecture: architecture.into(),
            variant: variant.map(Box::from),
        })
    }

    /// The operating system: `linux`.
    pub fn os(&self) -> &str {
        &self.os
    }

    /// The architecture: `amd64`.
    pub fn architecture(&self) -> &str {
        &self.architecture
    }

    /// The variant, where one was given: `v7`.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// Whether an image built for `offered` serves where `self` is asked for.
    ///
    /// A platform without a variant takes any. `arm64` without one offers `v8`, and `arm` offers
    /// `v7`: what Docker and containerd take them for.
    pub fn accepts(&self, offered: &Self) -> bool {
        self.os == offered.os
            && self.architecture == offered.architecture
            && self
                .variant()
                .is_none_or(|wanted| offered.effective_variant() == Some(wanted))
    }

    fn effective_variant(&self) -> Option<&str> {
        self.variant().or_else(|| match self.architecture() {
            "arm64" => Some("v8"),
            "arm" => Some("v7"),
            _ => None,
        })
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.splitn(4, '/').collect();
        match parts[..] {
            [os, architecture] => Self::new(os, architecture, ""),
            [_, _, ""] => Err(PlatformError::BadPart),
            [os, architecture, variant] => Self::new(os, architecture, variant),
            _ => Err(PlatformError::WrongParts),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            os,
            architecture,
            variant,
        } = self;
        write!(formatter, "{os}/{architecture}")?;
        if let Some(variant) = variant {
            write!(formatter, "/{variant}")?;
        }
        Ok(())
    }
}

fn is_part(part: &str) -> bool {
    (1..=MAX_PART_LENGTH).contains(&part.len())
        && part
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn platform(text: &str) -> Platform {
        text.parse().expect("the row's text is a platform")
    }

    #[track_caller]
    fn check_refused(text: &str, expected: PlatformError) {
        assert_eq!(text.parse::<Platform>(), Err(expected));
    }

    #[track_caller]
    fn check_accepts(wanted: &str, offered: &str, expected: bool) {
        assert_eq!(platform(wanted).accepts(&platform(offered)), expected);
    }

    #[test]
    fn bad_platforms_are_refused() {
        check_refused("", PlatformError::WrongParts);
        check_refused("linux", PlatformError::WrongParts);
        check_refused("linux/arm/v7/x", PlatformError::WrongParts);
        check_refused("linux/", PlatformError::BadPart);
        check_refused("linux/arm/", PlatformError::BadPart);
        check_refused("Linux/amd64", PlatformError::BadPart);
        check_refused(&format!("linux/{}", "a".repeat(33)), PlatformError::BadPart);
    }

    #[test]
    fn names_of_uname_are_read() {
        assert_eq!(platform("linux/x86_64"), platform("linux/amd64"));
        assert_eq!(platform("linux/aarch64"), platform("linux/arm64"));
    }

    #[test]
    fn no_variant_takes_any_variant() {
        check_accepts("linux/arm", "linux/arm/v6", true);
        check_accepts("linux/amd64", "linux/amd64", true);
        check_accepts("linux/amd64", "linux/arm64", false);
        check_accepts("linux/amd64", "windows/amd64", false);
    }

    #[test]
    fn a_variant_takes_itself_and_the_architectures_default() {
        check_accepts("linux/arm/v7", "linux/arm/v6", false);
        check_accepts("linux/arm/v7", "linux/arm", true);
        check_accepts("linux/arm64/v8", "linux/arm64", true);
        check_accepts("linux/amd64/v3", "linux/amd64", false);
    }

    proptest! {
        #[test]
        fn print_then_parse_gives_the_same_platform(
            text in "[a-z]{1,8}/[a-z0-9._-]{1,8}(/[a-z0-9]{1,4})?",
        ) {
            let platform = platform(&text);
            prop_assert!(platform.accepts(&platform));
            prop_assert_eq!(platform.to_string().parse(), Ok(platform));
        }
    }
}
