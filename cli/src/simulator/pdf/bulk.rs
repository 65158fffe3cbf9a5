//! A PDF of any size that never lies in memory as a whole, for tests of limits.
//!
//! It is a small PDF with an incremental update behind it, as an editor appends one on saving: a new object that
//! nothing refers to, full of padding, then a cross-reference section for it that points back to the first. Readers
//! show the small PDF.

use bytes::Bytes;

const PIECE: usize = 64 * 1024;

/// A PDF made large.
#[derive(Debug, Clone)]
pub struct Bulk {
    head: Bytes,
    padding: u64,
    tail: Bytes,
}

impl Bulk {
    /// This PDF, padded to exactly `bytes` bytes; if it is no smaller than that already, by as little as possible.
    #[must_use]
    pub fn new(mut pdf: Vec<u8>, bytes: u64) -> Self {
        let start = previous(&pdf);
        // What follows the end marker on its line is a comment.
        pdf.push(b'\n');
        let (offset, object) = (pdf.len() as u64, objects(&pdf, start));
        let close = "\nendstream\nendobj\n";
        let tail = |xref: u64| {
            format!(
                "{close}xref\n{object} 1\n{offset:010} 00000 n \ntrailer\n<</Size {size}/Root 1 0 R/Info 3 0 R/Prev {start}>>\n\
                 startxref\n{xref}\n%%EOF\n",
                size = object + 1,
            )
        };
        // The numbers in head and tail depend on each other's lengths. All are written with the digits that they
        // would have in a file of the wanted size, so that one pass is enough.
        let digits = bytes.max(offset + 1_000).to_string().len();
        let open = |padding: u64| format!("{object} 0 obj\n<</Length {padding:0digits$}>>\nstream\n");
        let around = offset + open(0).len() as u64 + close.len() as u64;
        let after = tail(0).len() as u64 - 1 - close.len() as u64 + digits as u64;
        let padding = bytes.saturating_sub(around + after);
        let xref = around + padding;
        let mut tail = tail(xref);
        // Where the table's offset is a digit shorter than the file's size, a newline makes up for it.
        let short = digits.saturating_sub(xref.to_string().len());
        tail.extend(std::iter::repeat_n('\n', short));
        pdf.extend_from_slice(open(padding).as_bytes());
        Self { head: pdf.into(), padding, tail: tail.into() }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.head.len() as u64 + self.padding + self.tail.len() as u64
    }

    /// Its bytes, in pieces of at most 64 KiB but for the first.
    pub fn pieces(&self) -> impl Iterator<Item = Bytes> + Send + use<> {
        let filler = Bytes::from(b"Countersign padding.............".repeat(PIECE / 32));
        let mut left = self.padding;
        let padding = std::iter::from_fn(move || {
            let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            left -= size as u64;
            (size > 0).then(|| filler.slice(..size))
        });
        std::iter::once(self.head.clone()).chain(padding).chain(std::iter::once(self.tail.clone()))
    }
}

/// The offset of the cross-reference table, as the end of the file gives it.
fn previous(pdf: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(&pdf[pdf.len().saturating_sub(64)..]);
    let number = text.rsplit_once("startxref").and_then(|(_, end)| end.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// How many objects that table lists, which is the next free number.
fn objects(pdf: &[u8], table: u64) -> u64 {
    let table = usize::try_from(table).ok().and_then(|start| pdf.get(start..)).unwrap_or_default();
    let text = String::from_utf8_lossy(&table[..table.len().min(64)]);
    text.split_whitespace().nth(2).and_then(|number| number.parse().ok()).unwrap_or_default()
}
