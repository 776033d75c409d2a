//! The message of a commit: rendered from a template, signed off where that is wanted.
//!
//! Knows the format of messages and nothing of commits; whose message it is decides the caller.

use crate::template::{Template, TemplateData, TemplateError};

/// The message that is used unless a template says otherwise.
///
/// It is the old updater's default template, so that whoever searches a history for it goes on
/// finding what they look for.
pub const DEFAULT_TEMPLATE: &str = "build: automatic update of {{ .AppName }}

{{ range .AppChanges -}}
updates image {{ .Image }} tag '{{ .OldTag }}' to '{{ .NewTag }}'
{{ end -}}
";

/// The longest name in the default message's subject, in characters: with the words before it a
/// line of 100, so that `git log --oneline` stays readable.
const LONGEST_NAME: usize = 73;

/// A template for messages.
///
/// # Examples
///
/// ```
/// use image_update_core::message::MessageTemplate;
/// use image_update_core::template::{ImageChange, TemplateData};
///
/// let change = ImageChange {
///     image: "nginx".to_owned(),
///     name: "library/nginx".to_owned(),
///     alias: "web".to_owned(),
///     old: Some("1.26".to_owned()),
///     new: "1.27".to_owned(),
/// };
/// let data = TemplateData { app_name: "shop", changes: &[change], ..TemplateData::default() };
/// assert_eq!(
///     MessageTemplate::default().render(&data)?,
///     "build: automatic update of shop\n\nupdates image nginx tag '1.26' to '1.27'\n"
/// );
/// # Ok::<(), image_update_core::message::MessageError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageTemplate(Option<Template>);

/// Why there is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// The template can't be rendered.
    #[error(transparent)]
    Template(TemplateError),
    /// The template renders nothing; git makes no commit without a message.
    #[error("the template renders an empty message")]
    Empty,
    /// The template renders a NUL character, which git refuses.
    #[error("the template renders a NUL character")]
    Nul,
}

impl MessageTemplate {
    /// Reads a template and tries it on a commit of one change.
    pub fn checked(text: &str) -> Result<Self, MessageError> {
        let (template, sample) = Template::checked(text).map_err(MessageError::Template)?;
        is_message(sample)?;
        Ok(Self(Some(template)))
    }

    /// The template as it was written; `None` for the default one.
    pub fn text(&self) -> Option<&str> {
        self.0.as_ref().map(Template::as_str)
    }

    /// Renders the message of a commit.
    pub fn render(&self, data: &TemplateData<'_>) -> Result<String, MessageError> {
        let rendered = match &self.0 {
            Some(template) => template.render(data),
            None => default_message(data),
        };
        is_message(rendered.map_err(MessageError::Template)?)
    }
}

fn default_message(data: &TemplateData<'_>) -> Result<String, TemplateError> {
    let name: String = data.app_name.chars().take(LONGEST_NAME).collect();
    let template: Template = DEFAULT_TEMPLATE.parse()?;
    template.render(&TemplateData {
        app_name: &name,
        ..*data
    })
}

fn is_message(text: String) -> Result<String, MessageError> {
    if text.trim().is_empty() {
        return Err(MessageError::Empty);
    }
    if text.contains('\0') {
        return Err(MessageError::Nul);
    }
    Ok(text)
}

/// Adds a `Signed-off-by` line, as `git commit --signoff` does: to the trailers that end the
/// message, or in a paragraph of its own; nothing if it is the last line already.
///
/// # Examples
///
/// ```
/// use image_update_core::message::sign_off;
///
/// assert_eq!(
///     sign_off("Update\n", "Robot", "robot@example.org"),
///     "Update\n\nSigned-off-by: Robot <robot@example.org>\n"
/// );
/// ```
pub fn sign_off(message: &str, name: &str, email: &str) -> String {
    let line = format!("Signed-off-by: {name} <{email}>");
    let message = message.trim_end();
    if message.lines().next_back() == Some(line.as_str()) {
        return format!("{message}\n");
    }
    let separator = if ends_with_trailers(message) {
        "\n"
    } else {
        "\n\n"
    };
    format!("{message}{separator}{line}\n")
}

/// Whether the last paragraph, which is not the first, has nothing but `Token: value` lines.
fn ends_with_trailers(message: &str) -> bool {
    message
        .rsplit_once("\n\n")
        .is_some_and(|(_, last)| last.lines().all(is_trailer))
}

fn is_trailer(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(token, _)| {
        !token.is_empty()
            && token
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || it == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::ImageChange;

    fn change(image: &str, old: Option<&str>, new: &str) -> ImageChange {
        ImageChange {
            image: image.to_owned(),
            name: image.to_owned(),
            alias: image.to_owned(),
            old: old.map(ToOwned::to_owned),
            new: new.to_owned(),
        }
    }

    #[test]
    fn each_change_has_its_line() {
        let changes = [change("a", None, "1"), change("b", Some("2"), "3")];
        check(
            &MessageTemplate::default(),
            "x",
            &changes,
            Ok(
                "build: automatic update of x\n\nupdates image a tag '' to '1'\nupdates image b tag '2' to '3'\n",
            ),
        );
    }

    #[test]
    fn a_long_name_is_cut() {
        let data = TemplateData {
            app_name: &"é".repeat(300),
            ..TemplateData::default()
        };
        let message = MessageTemplate::default().render(&data);
        let message = message.expect("the default template is right");
        assert_eq!(
            message.lines().next().map(|line| line.chars().count()),
            Some(100)
        );
    }

    #[test]
    fn message_that_git_refuses_is_an_error() {
        let template = |text: &str| MessageTemplate::checked(text);
        assert_eq!(template(" \n"), Err(MessageError::Empty));
        assert_eq!(template("a\0"), Err(MessageError::Nul));
        let sometimes = template("{{range .AppChanges}}x{{end}}").expect("it says something");
        check(&sometimes, "x", &[], Err(MessageError::Empty));
        assert!(matches!(
            template("{{.Nope}}"),
            Err(MessageError::Template(_))
        ));
    }

    #[test]
    fn sign_off_joins_the_trailers() {
        check_sign_off("Update", "Update\n\nS");
        check_sign_off("fix: Update", "fix: Update\n\nS");
        check_sign_off(
            "Update\n\nBody: with\nmore",
            "Update\n\nBody: with\nmore\n\nS",
        );
        check_sign_off("Update\n\nReviewed-by: x\n", "Update\n\nReviewed-by: x\nS");
        check_sign_off("Update\n\nS", "Update\n\nS");
    }

    #[track_caller]
    fn check(
        template: &MessageTemplate,
        app_name: &str,
        changes: &[ImageChange],
        expected: Result<&str, MessageError>,
    ) {
        let message = template.render(&TemplateData {
            app_name,
            changes,
            ..TemplateData::default()
        });
        assert_eq!(message, expected.map(ToOwned::to_owned));
    }

    /// `S` stands for the line of the one who signs.
    #[track_caller]
    fn check_sign_off(message: &str, expected: &str) {
        let line = "Signed-off-by: Robot <robot@example.org>";
        let in_full = |text: &str| text.replace("\nS", &format!("\n{line}"));
        assert_eq!(
            sign_off(&in_full(message), "Robot", "robot@example.org"),
            format!("{}\n", in_full(expected))
        );
    }
}
