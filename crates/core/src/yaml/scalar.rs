//! How a string is written as a scalar so that every YAML reader takes it for that string.
//!
//! The rules are the union of YAML 1.1, YAML 1.2 and go-yaml v2 and v3: Helm, Argo CD and
//! kustomize read with different ones. It never guesses a type: every value is a string.

/// How a scalar stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScalarStyle {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
    Folded,
}

/// Writes `value` as a flow scalar, in `style` where that is possible.
///
/// Plain text that a reader might take for something else becomes double quoted; a value with
/// control characters cannot be single quoted. Block styles are written double quoted or plain.
pub(crate) fn write(value: &str, style: ScalarStyle, in_flow: bool) -> String {
    match style {
        ScalarStyle::SingleQuoted if is_printable(value) => {
            format!("'{}'", value.replace('\'', "''"))
        }
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => double_quoted(value),
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => {
            if needs_quotes(value, in_flow) {
                double_quoted(value)
            } else {
                value.to_owned()
            }
        }
    }
}

/// Whether `value` can stand on one line as it is: no control characters or line separators.
pub(crate) fn is_printable(value: &str) -> bool {
    !value.chars().any(|character| {
        character.is_control() || is_line_separator(character) || character == '\u{FEFF}'
    })
}

/// U+0085, U+2028, U+2029: line breaks in YAML 1.1, text in YAML 1.2.
pub(crate) fn is_line_separator(character: char) -> bool {
    matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether plain `value` would, or might, not read back as this string.
pub(crate) fn needs_quotes(value: &str, in_flow: bool) -> bool {
    let Some(first) = value.bytes().next() else {
        return true;
    };
    value.bytes().any(|byte| !(0x21..=0x7E).contains(&byte))
        || b"-?:,[]{}#&*!|>'\"%@`=<~.+".contains(&first)
        || value.ends_with(':')
        || (in_flow && value.contains([',', '[', ']', '{', '}']))
        || is_other_type(value)
}

/// Whether some reader takes plain `value` for a null, boolean, number or time.
///
/// A superset of what any of them does, so `nan` without its dot counts, too: quotes around a
/// string are harmless, a missing pair is not.
pub(crate) fn is_other_type(value: &str) -> bool {
    const WORDS: [&str; 16] = [
        "", "~", "=", "<<", "y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan",
        "inf", "infinity",
    ];
    if WORDS.iter().any(|word| value.eq_ignore_ascii_case(word)) {
        return true;
    }
    if value.starts_with('_') {
        return false;
    }
    // go-yaml deletes every underscore before it looks for a prefix: `0_x1F` is 31 there.
    let digits = value.replace('_', "");
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    is_special_float(unsigned)
        || is_radix_integer(unsigned)
        || is_decimal(unsigned)
        || is_base_sixty(unsigned)
        || is_timestamp(&digits)
}

fn is_special_float(text: &str) -> bool {
    text.strip_prefix('.').is_some_and(|word| {
        ["nan", "inf", "infinity"]
            .iter()
            .any(|special| word.eq_ignore_ascii_case(special))
    })
}

/// `0x1F`, `0o17`, `0b1`; go-yaml also takes a sign behind the prefix (`0b-1`).
fn is_radix_integer(text: &str) -> bool {
    let Some((prefix, rest)) = text.split_at_checked(2) else {
        return false;
    };
    let radix = match prefix {
        "0x" | "0X" => 16,
        "0o" | "0O" => 8,
        "0b" | "0B" => 2,
        _ => return false,
    };
    let digits = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix))
}

/// Integers and floats, also with leading zeros or an exponent: `08`, `7e5`, `12345e7`.
fn is_decimal(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent
        .is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)));
    exponent_fits
        && !(whole.is_empty() && fraction.is_empty())
        && (whole.is_empty() || is_digits(whole))
        && (fraction.is_empty() || is_digits(fraction))
}

/// `1:30` is 90 in YAML 1.1.
fn is_base_sixty(text: &str) -> bool {
    let mut parts = text.split(':');
    let starts_with_digits = parts.next().is_some_and(is_digits);
    let mut count = 0;
    for part in parts {
        let whole = part.split_once('.').map_or(part, |(whole, _)| whole);
        if !is_digits(whole) || whole.len() > 2 {
            return false;
        }
        count += 1;
    }
    starts_with_digits && count > 0
}

/// `YYYY-M-D`, alone or followed by `t` or a blank and anything.
fn is_timestamp(text: &str) -> bool {
    let mut parts = text.splitn(3, '-');
    let (Some(year), Some(month), Some(rest)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let day = rest.split(['t', 'T', ' ', '\t']).next().unwrap_or(rest);
    year.len() == 4
        && is_digits(year)
        && (1..=2).contains(&month.len())
        && is_digits(month)
        && (1..=2).contains(&day.len())
        && is_digits(day)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn double_quoted(value: &str) -> String {
    let mut text = String::with_capacity(value.len() + 2);
    text.push('"');
    for character in value.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            _ if character.is_control()
                || is_line_separator(character)
                || character == '\u{FEFF}' =>
            {
                // All of these are below U+10000, so four digits are enough.
                let number = u32::from(character);
                text.push_str("\\u");
                for shift in [12, 8, 4, 0] {
                    let digit = char::from_digit((number >> shift) & 0xF, 16);
                    text.extend(digit.map(|digit| digit.to_ascii_uppercase()));
                }
            }
            _ => text.push(character),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests;
