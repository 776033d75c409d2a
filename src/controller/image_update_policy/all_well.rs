//! What `Ready` says where nothing is wrong and nothing is to be done. Pure.

use crate::api::v1alpha1::{ImageState, ImageStatus, Reason};
use crate::controller::conditions::{Health, Verdict};

/// The verdict on images that are up to date, or that no Application runs. The latter is what
/// `onlyLive` asks for, so that `Ready` is true; but it is said, for it may not be what was meant.
pub(super) fn verdict(images: &[ImageStatus]) -> Verdict {
    let up_to_date = images.iter().filter(|it| it.state == ImageState::UpToDate);
    let up_to_date = up_to_date.count();
    let not_live: Vec<&str> = images
        .iter()
        .filter(|it| it.state == ImageState::NotLive)
        .map(|it| it.alias.as_str())
        .collect();
    let not_live = match not_live[..] {
        [] => None,
        [alias] => Some(format!("{alias}: no Application runs it")),
        [first, ref others @ ..] => Some(format!(
            "{first} and {} more: no Application runs them",
            others.len()
        )),
    };
    let (reason, message) = match (not_live, images) {
        (None, [image]) => {
            let selected = image.selected.as_deref().unwrap_or_default();
            (Reason::Succeeded, format!("up to date at {selected}"))
        }
        (None, several) => {
            let message = format!("all {} images are up to date", several.len());
            (Reason::Succeeded, message)
        }
        (Some(not_live), _) if up_to_date == 0 => (Reason::NotLive, not_live),
        (Some(not_live), all) => {
            let message = format!("{not_live}; {up_to_date}/{} up to date", all.len());
            (Reason::NotLive, message)
        }
    };
    Verdict {
        health: Health::Ready,
        reason,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image((alias, state): (&str, ImageState)) -> ImageStatus {
        let is_live = state == ImageState::UpToDate;
        serde_json::from_value(serde_json::json!({
            "alias": alias,
            "selected": is_live.then_some("1.1.0"),
            "state": state,
            "reason": if is_live { Reason::Succeeded } else { Reason::NotLive },
            "message": "",
        }))
        .expect("it has what a status must have")
    }

    #[track_caller]
    fn check(images: &[(&str, ImageState)], reason: Reason, message: &str) {
        let images: Vec<ImageStatus> = images.iter().copied().map(image).collect();
        let expected = Verdict {
            health: Health::Ready,
            reason,
            message: message.to_owned(),
        };
        assert_eq!(verdict(&images), expected);
    }

    #[test]
    fn what_nothing_runs_is_not_called_up_to_date() {
        use ImageState::{NotLive, UpToDate};
        let (fine, dead) = (Reason::Succeeded, Reason::NotLive);
        check(&[("web", UpToDate)], fine, "up to date at 1.1.0");
        check(
            &[("web", UpToDate), ("job", UpToDate)],
            fine,
            "all 2 images are up to date",
        );
        check(&[("web", NotLive)], dead, "web: no Application runs it");
        check(
            &[("web", NotLive), ("job", NotLive), ("db", NotLive)],
            dead,
            "web and 2 more: no Application runs them",
        );
        check(
            &[("web", UpToDate), ("job", NotLive)],
            dead,
            "job: no Application runs it; 1/2 up to date",
        );
    }
}
