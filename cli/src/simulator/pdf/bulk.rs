//! A PDF of any size that is never in memory as a whole, for tests of limits.
//!
//! It is a small PDF with an incremental update, as an editor appends it on saving: a new, unreferenced object full of
//! padding, then a cross-reference section for it that points back to the first one. Readers show the small PDF.

use bytes::Bytes;

const PIECE: usize = 64 * 1024;

/// A PDF padded to a large size.
#[derive(Debug, Clone)]
pub struct Bulk {
    head: Bytes,
    padding: u64,
    tail: Bytes,
}

impl Bulk {
    /// This PDF, padded to exactly `bytes` bytes, or to the smallest possible size if that is larger.
    #[must_use]
    pub fn new(mut pdf: Vec<u8>, bytes: u64) -> Self {
        let start = previous(&pdf);
        // Ends the line of `%%EOF`: the rest of that line would be a comment.
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
        // The numbers in head and tail depend on each other's lengths. All are written with as many digits as the
        // requested size has, so that one pass is enough.
        let digits = bytes.max(offset + 1_000).to_string().len();
        let open = |padding: u64| format!("{object} 0 obj\n<</Length {padding:0digits$}>>\nstream\n");
        let around = offset + open(0).len() as u64 + close.len() as u64;
        let after = tail(0).len() as u64 - 1 - close.len() as u64 + digits as u64;
        let padding = bytes.saturating_sub(around + after);
        let xref = around + padding;
        let mut tail = tail(xref);
        // If the table's offset has fewer digits than the file's size, newlines make up for it.
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

    /// Its bytes. Pieces of padding have at most 64 KiB.
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

/// The offset of the cross-reference table, from the last `startxref`.
fn previous(pdf: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(&pdf[pdf.len().saturating_sub(64)..]);
    let number = text.rsplit_once("startxref").and_then(|(_, end)| end.split_whitespace().next());
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

/// The number of entries in this table, which is the next free object number.
fn objects(pdf: &[u8], table: u64) -> u64 {
    let table = usize::try_from(table).ok().and_then(|start| pdf.get(start..)).unwrap_or_default();
    let text = String::from_utf8_lossy(&table[..table.len().min(64)]);
    text.split_whitespace().nth(2).and_then(|number| number.parse().ok()).unwrap_or_default()
}
