//! Readable names for archived PDFs, made of the services' own names of documents.

use sanitise_file_name::{Options, sanitise_with_options};
use serde::Serialize;

use super::Role;

/// Maximum length of a document's name within a file name, in bytes. With what is added, a file name stays below 200.
const MAX_LENGTH: usize = 150;

/// What every file name ends with.
const EXTENSION: &str = ".pdf";

/// A file name for a PDF, such as `Lease, 14 Market Street - certificate.pdf`. It is safe on Windows, macOS and Linux, and
/// has at most 200 bytes of UTF-8. Two PDFs may have the same. It may be personal data, because people name documents.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct FileName(String);

impl std::fmt::Debug for FileName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("FileName")
    }
}

impl FileName {
    /// The name for the PDF in this role of a document that the service calls `document`. `None` if that has no character
    /// that a file name may have.
    #[must_use]
    pub fn new(document: &str, role: Role) -> Option<Self> {
        let options = Options {
            length_limit: MAX_LENGTH,
            extension_cleverness: false,
            collapse_replacements: true,
            six_measures_of_barley: "",
            ..Options::DEFAULT
        };
        let base = sanitise_with_options(without_extension(document), &options);
        if base.is_empty() {
            return None;
        }
        let role = match role {
            Role::Document => "",
            Role::Certificate => " - certificate",
            Role::AuditLog => " - audit log",
        };
        Some(Self(format!("{base}{role}{EXTENSION}")))
    }

    /// The name with a number, for one of several PDFs that share it.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let base = self.0.strip_suffix(EXTENSION).unwrap_or(&self.0);
        Self(format!("{base} ({number}){EXTENSION}"))
    }

    /// A stored name.
    #[must_use]
    pub(crate) const fn stored(name: String) -> Self {
        Self(name)
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The name without `.pdf` at its end, in whatever case.
fn without_extension(name: &str) -> &str {
    let name = name.trim_end();
    let (base, extension) = name.split_at(name.floor_char_boundary(name.len().saturating_sub(EXTENSION.len())));
    if extension.eq_ignore_ascii_case(EXTENSION) { base } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(document: &str) -> String {
        FileName::new(document, Role::Document).map_or_else(String::new, |name| name.0)
    }

    #[test]
    fn a_document_keeps_its_name_and_has_one_extension() {
        for (document, expected) in [
            ("Employment Contract - Zoë.pdf", "Employment Contract - Zoë.pdf"),
            ("Lease, 14 Market Street", "Lease, 14 Market Street.pdf"),
            ("SCAN.PDF ", "SCAN.pdf"),
            ("v1.2", "v1.2.pdf"),
            ("契約書", "契約書.pdf"),
        ] {
            assert_eq!(named(document), expected, "{document}");
        }
    }

    #[test]
    fn characters_and_names_that_a_file_system_refuses_are_replaced() {
        for (document, expected) in [
            ("../../etc/passwd", "etc_passwd.pdf"),
            ("a/b\\c:d*e?f\"g<h>i|j", "a_b_c_d_e_f_g_h_i_j.pdf"),
            ("two\nlines\tand\u{0}more", "two lines and_more.pdf"),
            ("invoice\u{202e}fdp.exe", "invoice_fdp.exe.pdf"),
            ("CON", "CON_.pdf"),
            ("  ..spaces..  ", "spaces.pdf"),
        ] {
            assert_eq!(named(document), expected, "{document:?}");
        }
        for nothing in ["", " ", "...", "/", ".pdf", "\u{0}\n"] {
            assert_eq!(FileName::new(nothing, Role::Document), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let name = FileName::new(&"é".repeat(300), Role::Certificate).unwrap().numbered(12);
        assert!(name.as_str().len() <= 200 && name.as_str().ends_with("é - certificate (12).pdf"), "{}", name.as_str());
    }

    #[test]
    fn role_and_number_tell_the_files_of_a_document_apart() {
        let name = |role| FileName::new("NDA.pdf", role).unwrap();
        assert_eq!(name(Role::AuditLog).as_str(), "NDA - audit log.pdf");
        assert_eq!(name(Role::Document).numbered(2).as_str(), "NDA (2).pdf");
    }

    #[test]
    fn a_name_is_not_in_the_debug_output() {
        assert_eq!(format!("{:?}", FileName::new("Zoë Quinn", Role::Document)), "Some(FileName)");
    }
}
