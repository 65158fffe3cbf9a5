//! Names of a zip's members, made safe to show. They are chosen by whoever made the zip, so they are never part of a path
//! or a key.

/// Maximum length of a name, in characters.
const MAX_LENGTH: usize = 120;

/// The last part of a member's path without characters that could change how it is shown; `None` if nothing is left.
pub(super) fn safe_name(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let shown: String = last.chars().filter(|c| !is_deceptive(*c)).take(MAX_LENGTH).collect();
    let shown = shown.trim();
    // `.` and `..` are folders.
    (shown.chars().any(|c| c != '.')).then(|| shown.to_owned())
}

/// Whether a character is invisible, or changes the direction or the line of others: control characters, those of
/// bidirectional text (Unicode Standard Annex 9), joiners, byte order marks, separators, tags and private use.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{e000}'..='\u{f8ff}'
                | '\u{feff}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{e0000}'..
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_folders_and_deceptive_characters() {
        for (name, safe) in [
            ("contract.pdf", Some("contract.pdf")),
            ("folder/Vertrag über 1 €.pdf", Some("Vertrag über 1 €.pdf")),
            ("../../etc/passwd", Some("passwd")),
            (r"C:\Users\x\a.pdf", Some("a.pdf")),
            ("a\u{202e}fdp.exe", Some("afdp.exe")),
            ("a\r\nb\0c\x1b[31m.pdf", Some("abc[31m.pdf")),
            ("\u{feff} a.pdf ", Some("a.pdf")),
            ("folder/", None),
            ("..", None),
            ("", None),
            ("\u{200b}", None),
        ] {
            assert_eq!(safe_name(name).as_deref(), safe, "{name:?}");
        }
        assert_eq!(safe_name(&"ü".repeat(5_000)).map(|name| name.chars().count()), Some(MAX_LENGTH));
    }
}
