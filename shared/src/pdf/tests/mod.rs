//! Tests of the reader over PDFs that are made here, byte by byte.

mod compressed;
mod hostile;
mod objects;
mod whole;

use std::io::Cursor;

use super::{Document, NotAPdf};

/// A small, whole PDF.
pub(crate) const PLAIN: &str = "%PDF-1.7
1 0 obj
<</Type/Catalog/Pages 2 0 R>>
endobj
2 0 obj
<</Type/Pages/Kids[3 0 R]/Count 1>>
endobj
3 0 obj
<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>
endobj
xref
0 4
0000000000 65535 f\x20
0000000009 00000 n\x20
0000000054 00000 n\x20
0000000105 00000 n\x20
trailer
<</Size 4/Root 1 0 R>>
startxref
170
%%EOF
";

type Opened<'a> = Result<Document<Cursor<&'a [u8]>>, NotAPdf>;

fn open(bytes: &[u8]) -> Opened<'_> {
    Document::open(Cursor::new(bytes))
}

fn fault(bytes: &[u8]) -> Option<NotAPdf> {
    open(bytes).err()
}

/// `PLAIN` with the first `from` replaced. Offsets after it may change.
fn plain_with(from: &str, to: &str) -> Vec<u8> {
    assert!(PLAIN.contains(from), "{from}");
    PLAIN.replacen(from, to, 1).into_bytes()
}

/// Writes a PDF object by object.
struct Writer {
    bytes: Vec<u8>,
    offsets: Vec<(u32, usize)>,
}

impl Writer {
    fn new() -> Self {
        Self { bytes: b"%PDF-1.7\n".to_vec(), offsets: Vec::new() }
    }

    /// Adds an object.
    fn object(&mut self, number: u32, content: &str) -> &mut Self {
        self.bytes_of(number, content.as_bytes())
    }

    fn bytes_of(&mut self, number: u32, content: &[u8]) -> &mut Self {
        self.offsets.push((number, self.bytes.len()));
        self.bytes.extend_from_slice(format!("{number} 0 obj\n").as_bytes());
        self.bytes.extend_from_slice(content);
        self.bytes.extend_from_slice(b"\nendobj\n");
        self
    }

    /// Adds a stream: its dictionary without `Length`, and its bytes.
    fn stream(&mut self, number: u32, dictionary: &str, bytes: &[u8]) -> &mut Self {
        let mut content = format!("<<{dictionary}/Length {}>>\nstream\r\n", bytes.len()).into_bytes();
        content.extend_from_slice(bytes);
        content.extend_from_slice(b"\nendstream");
        self.bytes_of(number, &content)
    }

    /// The offset of an object.
    fn offset(&self, number: u32) -> usize {
        self.offsets.iter().rev().find(|(other, _)| *other == number).unwrap().1
    }

    /// Ends a revision with a table of its objects and this trailer. Returns the table's offset.
    fn table(&mut self, trailer: &str) -> usize {
        let start = self.bytes.len();
        let mut table = "xref\n".to_owned();
        for (number, offset) in self.offsets.drain(..) {
            table.push_str(&format!("{number} 1\n{offset:010} 00000 n \n"));
        }
        table.push_str(&format!("trailer\n<<{trailer}>>\n"));
        self.bytes.extend_from_slice(table.as_bytes());
        self.end(start);
        start
    }

    fn end(&mut self, start: usize) {
        self.bytes.extend_from_slice(format!("startxref\n{start}\n%%EOF\n").as_bytes());
    }

    /// A catalog and a page tree without pages, as objects 1 and 2.
    fn catalog(&mut self) -> &mut Self {
        self.object(1, "<</Type/Catalog/Pages 2 0 R>>").object(2, "<</Type/Pages/Kids[]/Count 0>>")
    }
}
