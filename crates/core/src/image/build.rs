//! A build: what an image was built for, and when. Facts of one digest, so they never change.

use jiff::Timestamp;

use super::digest::Digest;
use super::platform::Platform;

/// 1980-01-02T00:00:00Z. Builds that hide their time say the Unix epoch (ko, Bazel), a second
/// after it (Nix), the year 1 (Go's zero time) or 1980-01-01 (Cloud Native Buildpacks).
const FIRST_BELIEVABLE_SECOND: i64 = 315_619_200;

/// One container image: what it was built for, and when its config says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Build {
    /// What it was built for, if that is said.
    pub platform: Option<Platform>,
    /// When it was built, as it is said; `None` if it is not said or was not asked for.
    pub created: Option<Timestamp>,
}

/// What a tag names: one build, or those of an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of the manifest or index.
    pub digest: Digest,
    /// The container images in it; none if it is something else, such as a chart.
    pub builds: Vec<Build>,
}

impl Image {
    /// The first of the platforms `wanted` that no build is for.
    pub fn missing<'p>(&self, wanted: &'p [Platform]) -> Option<&'p Platform> {
        wanted.iter().find(|wanted| {
            let mut offered = self.builds.iter().filter_map(|it| it.platform.as_ref());
            !offered.any(|offered| wanted.accepts(offered))
        })
    }

    /// When the newest of the builds for `wanted` was made, or the newest of all if nothing is
    /// wanted. Times that cannot be believed do not count.
    pub fn built(&self, wanted: &[Platform]) -> Option<Timestamp> {
        self.builds
            .iter()
            .filter(|build| is_wanted(build.platform.as_ref(), wanted))
            .filter_map(|build| build.created)
            .filter(|created| is_believable(*created))
            .max()
    }
}

/// Whether a build for `offered` is one of those `wanted`; any is if nothing is wanted.
pub fn is_wanted(offered: Option<&Platform>, wanted: &[Platform]) -> bool {
    wanted.is_empty()
        || offered.is_some_and(|offered| wanted.iter().any(|wanted| wanted.accepts(offered)))
}

/// Whether a time can be that of a build.
///
/// Reproducible builds put a constant where the time belongs. Anything before 1980-01-02 is such
/// a constant: container images are younger.
pub(super) fn is_believable(created: Timestamp) -> bool {
    created.as_second() >= FIRST_BELIEVABLE_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of builds, each `platform` or `platform@time`, separated by blanks.
    fn image(builds: &str) -> Image {
        let build = |text: &str| {
            let (platform, created) = text.split_once('@').unwrap_or((text, ""));
            Build {
                platform: platform.parse().ok(),
                created: created.parse().ok(),
            }
        };
        let digest = format!("sha256:{}", "0".repeat(64));
        Image {
            digest: digest.parse().expect("this is a digest"),
            builds: builds.split_whitespace().map(build).collect(),
        }
    }

    fn platforms(text: &str) -> Vec<Platform> {
        let parse = |text: &str| text.parse().expect("the row's platforms are platforms");
        text.split_whitespace().map(parse).collect()
    }

    #[track_caller]
    fn check_missing(builds: &str, wanted: &str, expected: Option<&str>) {
        let wanted = platforms(wanted);
        let missing = image(builds).missing(&wanted).map(ToString::to_string);
        assert_eq!(missing.as_deref(), expected);
    }

    #[track_caller]
    fn check_built(builds: &str, wanted: &str, expected: Option<&str>) {
        let built = image(builds).built(&platforms(wanted));
        assert_eq!(built.map(|it| it.to_string()).as_deref(), expected);
    }

    #[test]
    fn every_platform_wanted_has_to_be_there() {
        check_missing(
            "linux/amd64 linux/arm64",
            "linux/amd64 linux/arm64/v8",
            None,
        );
        check_missing(
            "linux/amd64",
            "linux/amd64 linux/arm64",
            Some("linux/arm64"),
        );
        check_missing("linux/amd64", "", None);
        check_missing("", "linux/amd64", Some("linux/amd64"));
    }

    #[test]
    fn the_newest_build_that_is_wanted_counts() {
        let builds = "linux/amd64@2024-01-01T00:00:00Z linux/arm64@2024-02-01T00:00:00Z";
        check_built(builds, "linux/amd64", Some("2024-01-01T00:00:00Z"));
        check_built(
            builds,
            "linux/amd64 linux/arm64",
            Some("2024-02-01T00:00:00Z"),
        );
        check_built(builds, "", Some("2024-02-01T00:00:00Z"));
        check_built(builds, "linux/s390x", None);
    }

    #[test]
    fn a_constant_is_no_time_beside_one_that_is() {
        let builds = "linux/amd64@1970-01-01T00:00:00Z linux/arm64@2024-02-01T00:00:00Z";
        check_built(builds, "", Some("2024-02-01T00:00:00Z"));
        check_built(builds, "linux/amd64", None);
    }
}
