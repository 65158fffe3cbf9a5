//! A reader of the structure of PDFs: whether a file is a whole one, what its objects are, and what its revisions.
//!
//! ```no_run
//! # fn example() -> Result<(), countersign::pdf::NotAPdf> {
//! let file = std::fs::File::open("contract.pdf").map_err(countersign::pdf::NotAPdf::from)?;
//! let mut document = countersign::pdf::Document::open(file)?;
//! let catalog = document.catalog()?;
//! if let Some(catalog) = catalog.dictionary() {
//!     // References are followed by `get`, not by `Dictionary::get`.
//!     let form = document.get(catalog, "AcroForm")?;
//! }
//! for revision in document.revisions()? {
//!     println!("a revision ends at byte {}", revision.end);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! *What is a whole PDF* is decided as readers do without repairing anything: the header is within the first 1,024 bytes;
//! the last `startxref` leads to a cross-reference table or stream; the chain of older ones ends; every object is where
//! they say; the trailer leads to the catalog. Bytes before the header and after the last `%%EOF` don't matter, unless
//! they are the beginning of a message, of a zip, or of an incremental update. What every reader tolerates, this one
//! tolerates as well; each such case is commented where it is handled.
//!
//! *Offsets.* Offsets in a file count from its header, or from its first byte if they only fit there
//! ([`Document::origin`]). All offsets in this interface are absolute, unless they say otherwise.
//!
//! *Limits.* A document is read in pieces: memory depends on the number of its objects, not on its size, and stays under
//! 20 MiB. `limits.rs` has all limits. Nothing is decrypted: of an encrypted document, strings stay encrypted and
//! objects in object streams are [`Object::Null`].
//!
//! *Why this is no library.* `lopdf` parses all objects of a file into memory; `pdf` and `hayro-syntax` need the whole
//! file in memory. `oxidize-pdf` reads in pieces, but it is a toolkit of which this is the smallest part, and like
//! `hayro-syntax` it rebuilds a damaged cross-reference by searching for objects: it opens the truncated files that must
//! be told apart here. None of them lists revisions, or says where a string stands, as the check of a signature needs.

mod check;
mod decode;
mod fault;
mod header;
mod limits;
mod object;
mod object_stream;
mod parse;
mod revisions;
mod source;
mod strings;
mod syntax;
mod tail;
#[cfg(test)]
pub(crate) mod tests;
mod xref;

use std::io::{Read, Seek};

pub use fault::NotAPdf;
pub use object::{Dictionary, Object, ObjectId, PdfString, Stream};
pub use revisions::Revision;

use self::{
    limits::MAX_HOPS,
    object_stream::Loaded,
    source::Source,
    tail::Tail,
    xref::{CrossReference, Entry},
};

/// A whole PDF.
pub struct Document<R> {
    source: Source<R>,
    origin: u64,
    header: u64,
    end: u64,
    cross_reference: CrossReference,
    /// The object stream that was used last.
    loaded: Option<Loaded>,
}

impl<R: Read + Seek> Document<R> {
    /// Opens a file, if it is a whole PDF.
    ///
    /// # Errors
    /// Why it isn't one.
    pub fn open(reader: R) -> Result<Self, NotAPdf> {
        Self::open_up_to(reader, u64::MAX)
    }

    /// Opens the first `length` bytes of a file, if they are a whole PDF: an earlier [`Revision`].
    ///
    /// # Errors
    /// Why they aren't one.
    pub fn open_up_to(reader: R, length: u64) -> Result<Self, NotAPdf> {
        let mut source = Source::new(reader, length)?;
        let header = header::find(&mut source)?;
        let tail = tail::last(&mut source)?;
        match Self::with_origin(source, header, header, &tail) {
            Ok(document) => Ok(document),
            Err((source, _)) if header > 0 => Self::with_origin(source, 0, header, &tail).map_err(|(_, fault)| fault),
            Err((_, fault)) => Err(fault),
        }
    }

    /// Reads and checks the structure, if offsets count from `origin`. Otherwise the file is returned.
    fn with_origin(mut source: Source<R>, origin: u64, header: u64, tail: &Tail) -> Result<Self, (Source<R>, NotAPdf)> {
        let cross_reference = match xref::read(&mut source, origin, tail.start) {
            Ok(cross_reference) => cross_reference,
            Err(fault) => return Err((source, fault)),
        };
        let mut document = Self { source, origin, header, end: tail.end, cross_reference, loaded: None };
        match check::check(&mut document) {
            Ok(()) => Ok(document),
            Err(fault) => Err((document.source, fault)),
        }
    }

    /// The absolute offset of what the file calls offset 0: its header, or its first byte.
    #[must_use]
    pub const fn origin(&self) -> u64 {
        self.origin
    }

    /// The number of bytes before the header.
    #[must_use]
    pub const fn leading(&self) -> u64 {
        self.header
    }

    /// The number of bytes after the last `%%EOF` and the end of that line.
    #[must_use]
    pub const fn trailing(&self) -> u64 {
        self.source.length().saturating_sub(self.end)
    }

    /// The size of the file, in bytes.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.source.length()
    }

    /// Whether it is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.trailer().get("Encrypt").is_some_and(|value| *value != Object::Null)
    }

    /// The newest trailer.
    #[must_use]
    pub const fn trailer(&self) -> &Dictionary {
        &self.cross_reference.trailer
    }

    /// The catalog; [`Object::Null`] if it is in an object stream of an encrypted document.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn catalog(&mut self) -> Result<Object, NotAPdf> {
        let trailer = self.trailer().clone();
        self.get(&trailer, "Root")
    }

    /// The value of a key, with references followed; [`Object::Null`] if there is none.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn get(&mut self, dictionary: &Dictionary, key: &str) -> Result<Object, NotAPdf> {
        dictionary.get(key).map_or(Ok(Object::Null), |value| self.resolve(value))
    }

    /// An object, with references followed. References in a circle are [`Object::Null`].
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn resolve(&mut self, object: &Object) -> Result<Object, NotAPdf> {
        let mut object = object.clone();
        for _ in 0..MAX_HOPS {
            match object {
                Object::Reference(id) => object = self.object(id)?,
                object => return Ok(object),
            }
        }
        Ok(Object::Null)
    }

    /// The indirect object with this number; [`Object::Null`] if there is none, or if it is beyond the limits.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn object(&mut self, id: ObjectId) -> Result<Object, NotAPdf> {
        let Some(Entry::Within(stream)) = self.cross_reference.entries.get(id.number) else {
            return Ok(self.stored(id.number)?.unwrap_or(Object::Null));
        };
        if self.loaded.as_ref().is_none_or(|loaded| loaded.number != stream) {
            self.loaded = self.load(stream)?;
        }
        Ok(self.loaded.as_ref().and_then(|loaded| loaded.object(id.number)).unwrap_or(Object::Null))
    }

    /// The absolute offset of an indirect object; `None` if there is none, or if it is in an object stream.
    #[must_use]
    pub fn offset(&self, id: ObjectId) -> Option<u64> {
        match self.cross_reference.entries.get(id.number)? {
            Entry::At(offset) => Some(self.origin.saturating_add(offset)),
            Entry::Free | Entry::Within(_) => None,
        }
    }

    /// The decoded bytes of a stream, at most `limit`; `None` if it is larger, encrypted, damaged, or has a filter other
    /// than `FlateDecode`.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn decode(&mut self, stream: &Stream, limit: u64) -> Result<Option<Vec<u8>>, NotAPdf> {
        if self.is_encrypted() {
            return Ok(None);
        }
        let length = self.length(stream)?;
        let Some(decoded) = decode::decode(&mut self.source, stream, length) else { return Ok(None) };
        let mut bytes = Vec::new();
        match decoded.take(limit.saturating_add(1)).read_to_end(&mut bytes) {
            Ok(_) => Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit)),
            Err(error) if xref::stream::is_about_data(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Passes the bytes of a range of absolute offsets to `piece`, in order and in pieces of at most 64 KiB. What is
    /// after the end of the file is left out.
    ///
    /// # Errors
    /// If the file can't be read.
    pub fn read(&mut self, range: std::ops::Range<u64>, mut piece: impl FnMut(&[u8])) -> Result<(), NotAPdf> {
        let mut bytes = self.source.range(range.start, range.end);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match bytes.read(&mut buffer)? {
                0 => return Ok(()),
                length => piece(&buffer[..length]),
            }
        }
    }

    /// The object with this number, if it isn't in an object stream.
    fn stored(&mut self, number: u32) -> Result<Option<Object>, NotAPdf> {
        let Some(Entry::At(offset)) = self.cross_reference.entries.get(number) else { return Ok(None) };
        let found = parse::indirect_at(&mut self.source, self.origin.saturating_add(offset))?;
        Ok(found.filter(|(id, _)| id.number == number).map(|(_, object)| object))
    }

    /// Loads the object stream with this number, if it can be decoded.
    fn load(&mut self, number: u32) -> Result<Option<Loaded>, NotAPdf> {
        let Some(Object::Stream(stream)) = self.stored(number)? else { return Ok(None) };
        if self.is_encrypted() {
            return Ok(None);
        }
        let length = self.length(&stream)?;
        Ok(Loaded::load(&mut self.source, number, &stream, length)?)
    }

    /// The length of a stream in the file, which may be an object of its own.
    fn length(&mut self, stream: &Stream) -> Result<Option<u64>, NotAPdf> {
        match stream.dictionary.get("Length") {
            Some(Object::Reference(id)) => Ok(self.stored(id.number)?.as_ref().and_then(Object::unsigned)),
            length => Ok(length.and_then(Object::unsigned)),
        }
    }
}
