//! What of somebody else's text may be shown: the one rule behind every excerpt and message.
//!
//! It hides no secrets: text that may hold one has to be cleaned of it before.

/// Takes what can be shown of `text`: characters that [`is_visible`] refuses are left out, and
/// what is longer than `max` characters is cut and ends in `…`.
pub(crate) fn visible(text: &str, max: usize) -> String {
    let mut shown = text.chars().filter(|&character| is_visible(character));
    let mut excerpt: String = shown.by_ref().take(max).collect();
    if shown.next().is_some() {
        excerpt.push('…');
    }
    excerpt
}

/// Whether a terminal shows the character where it stands and does nothing else: control
/// characters act on the terminal, others hide or reorder the text around them.
pub(crate) fn is_visible(character: char) -> bool {
    let reorders_or_hides = matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    !character.is_control() && !reorders_or_hides
}
