//! The scripts that shells read: clap's own, and for bash a word more.

use clap_complete::Shell;
use clap_complete::env::Shells;

/// Bash ends words at `=` and `:`, which stand inside of ours (`--namespace=team`, `web=1.0.0`). This
/// gives clap's function the words whole, and takes from its answer what bash does not replace.
/// Quotes in other words are not looked at: at worst nothing is completed.
const BASH_WORDS: &str = r#"
_NAME() {
    local line="${COMP_LINE:0:COMP_POINT}"
    local current="${line##*[[:space:]]}"
    if [[ "$line" != *[=:]* ]]; then
        _clap_complete_NAME "$@"
        return
    fi
    local COMP_WORDS COMP_CWORD
    read -ra COMP_WORDS <<< "$line"
    if [[ -z "$current" ]]; then
        COMP_WORDS+=("")
    fi
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _clap_complete_NAME "$1" "$current" "$3"
    local kept="${current%"${current##*[=:]}"}"
    COMPREPLY=("${COMPREPLY[@]#"$kept"}")
}
"#;

/// The script with which `shell` asks the program `name` by `variable`.
pub(super) fn of(shell: Shell, name: &str, variable: &str) -> Option<String> {
    let shells = Shells::builtins();
    let writer = shells.completer(&shell.to_string())?;
    let mut script = Vec::new();
    let written = writer.write_registration(variable, name, name, name, &mut script);
    written.ok()?;
    let script = String::from_utf8(script).ok()?;
    if shell != Shell::Bash {
        return Some(script);
    }
    let function = name.replace('-', "_");
    let clap = format!("-F _clap_complete_{function} ");
    let words = BASH_WORDS.replace("NAME", &function);
    // What a failing program says is no candidate, and not for the terminal.
    let script = script.replace("-- \"${words[@]}\" \\", "-- \"${words[@]}\" 2>/dev/null \\");
    Some(words + &script.replace(&clap, &format!("-F _{function} ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Should clap name its function otherwise, ours would not be called.
    #[test]
    fn bash_calls_our_function_which_calls_claps() {
        let script = of(Shell::Bash, "image-update-operator", "ASK").expect("there is a script");
        assert_eq!(
            script.matches("-F _image_update_operator ").count(),
            2,
            "{script}"
        );
        assert!(
            script.contains("\n_clap_complete_image_update_operator() {"),
            "{script}"
        );
        assert!(script.contains("2>/dev/null"), "{script}");
    }

    #[test]
    fn every_shell_has_a_script_that_asks_the_program() {
        for shell in [
            Shell::Bash,
            Shell::Elvish,
            Shell::Fish,
            Shell::PowerShell,
            Shell::Zsh,
        ] {
            let script = of(shell, "image-update-operator", "ASK").unwrap_or_default();
            assert!(
                script.contains("ASK") && script.contains("image-update-operator"),
                "{shell}: {script}"
            );
        }
    }
}
