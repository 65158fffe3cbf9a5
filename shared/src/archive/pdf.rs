//! Checks whether a downloaded file is a complete PDF. Content types are unreliable (SignEasy was seen sending a PDF as
//! `application/zip`), so only the bytes count.

/// Why a file is not a PDF that may be archived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PdfFault {
    /// It has no PDF header.
    #[error("not_a_pdf")]
    NotAPdf,
    /// It has a PDF header, but its end is missing.
    #[error("truncated_pdf")]
    Truncated,
}

/// Checks a file by its first and last bytes: `head` and `tail`, up to 1 KiB each.
///
/// PDF readers accept `%PDF-` anywhere within the first kilobyte and `%%EOF` within the last one (ISO 32000-1, Annex H,
/// notes 13 and 18), and real services send such files. `startxref` must come before `%%EOF`: without it a reader can
/// only guess where the cross-reference table is.
///
/// # Errors
/// [`PdfFault`] if the header or the end is missing.
pub fn check(head: &[u8], tail: &[u8]) -> Result<(), PdfFault> {
    if !may_be_pdf(head) {
        return Err(PdfFault::NotAPdf);
    }
    let end = tail.windows(5).rposition(|window| window == b"%%EOF").ok_or(PdfFault::Truncated)?;
    if contains(&tail[..end], b"startxref") { Ok(()) } else { Err(PdfFault::Truncated) }
}

/// Whether a file with this head may be a PDF. A zip is not one, even if a PDF header follows in its first kilobyte.
pub(super) fn may_be_pdf(head: &[u8]) -> bool {
    !head.starts_with(b"PK\x03\x04") && contains(head, b"%PDF-")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complete_pdf_has_a_header_and_an_end() {
        let whole: &[u8] = b"%PDF-1.7\n1 0 obj\nstartxref\n9\n%%EOF\n";
        assert_eq!(check(whole, whole), Ok(()));
        assert_eq!(check(b"\xef\xbb\xbf\n%PDF-1.4\n", b"startxref\n9\n%%EOF\r\n\0\0"), Ok(()));
        for (head, tail, fault) in [
            (&b"<!doctype html>"[..], &b"</html>"[..], PdfFault::NotAPdf),
            (b"", b"", PdfFault::NotAPdf),
            (b"PK\x03\x04", b"startxref\n9\n%%EOF", PdfFault::NotAPdf),
            (b"PK\x03\x04 a.pdf %PDF-1.7", b"startxref\n9\n%%EOF", PdfFault::NotAPdf),
            (b"%PDF-1.7", b"%PDF-1.7", PdfFault::Truncated),
            (b"%PDF-1.7", b"startxref\n9\n%%EO", PdfFault::Truncated),
            (b"%PDF-1.7", b"trailer\n%%EOF", PdfFault::Truncated),
            (b"%PDF-1.7", b"%%EOF\nstartxref\n9\n", PdfFault::Truncated),
        ] {
            assert_eq!(check(head, tail), Err(fault), "{}", String::from_utf8_lossy(tail));
        }
    }
}
