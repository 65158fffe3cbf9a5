//! Whether a downloaded file is a whole PDF. A content type lies (SignEasy was seen to send a PDF as
//! `application/zip`), so only the bytes count.

/// Why a file isn't a PDF that may go into the archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PdfFault {
    /// It doesn't start like one.
    #[error("not_a_pdf")]
    NotAPdf,
    /// It starts like one, and its end is missing.
    #[error("truncated_pdf")]
    Truncated,
}

/// Checks a file by its first and last bytes, up to 1 KiB of each.
///
/// Readers accept `%PDF-` within the first kilobyte and `%%EOF` within the last one (ISO 32000-1, Annex H, notes 13
/// and 18), and so do files of real services. `startxref` must stand before the end: without it a reader can only guess.
///
/// # Errors
/// What is wrong with it.
pub fn check(head: &[u8], tail: &[u8]) -> Result<(), PdfFault> {
    if !starts_like_one(head) {
        return Err(PdfFault::NotAPdf);
    }
    let end = tail.windows(5).rposition(|window| window == b"%%EOF").ok_or(PdfFault::Truncated)?;
    if contains(&tail[..end], b"startxref") { Ok(()) } else { Err(PdfFault::Truncated) }
}

/// Whether a file that starts like this may be a PDF. A zip isn't one, whatever it holds.
pub(super) fn starts_like_one(head: &[u8]) -> bool {
    !head.starts_with(b"PK\x03\x04") && contains(head, b"%PDF-")
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_pdf_has_its_beginning_and_its_end() {
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
