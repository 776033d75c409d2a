//! What an Application runs now.

use super::application::Application;
use crate::image::{Reference, Repository};

/// The first image of `repository` that runs, in the order of the status.
pub fn live_image(application: &Application, repository: &Repository) -> Option<Reference> {
    application
        .images
        .iter()
        .filter_map(|image| image.parse::<Reference>().ok())
        .find(|image| image.repository == *repository)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Tag;

    #[track_caller]
    fn check(images: &[&str], repository: &str, expected: Option<&str>) {
        let application = Application {
            images: images.iter().map(ToString::to_string).collect(),
            ..Application::default()
        };
        let repository = repository.parse().expect("the row's repository parses");
        let tag = live_image(&application, &repository).and_then(|image| image.tag);
        assert_eq!(tag.as_ref().map(Tag::as_str), expected);
    }

    #[test]
    fn an_image_is_found_in_any_spelling() {
        check(
            &["x:1", "docker.io/library/nginx:1.27"],
            "nginx",
            Some("1.27"),
        );
        check(
            &["registry.example:5000/a:1"],
            "registry.example:5000/a",
            Some("1"),
        );
        check(&["x:1", "not an image"], "nginx", None);
    }

    #[test]
    fn a_digest_alone_has_no_tag() {
        let digest = "sha256:1111111111111111111111111111111111111111111111111111111111111111";
        check(&[&format!("nginx@{digest}")], "nginx", None);
        check(&[&format!("nginx:1@{digest}")], "nginx", Some("1"));
    }
}
