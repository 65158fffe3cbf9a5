//! The objects of a PDF (ISO 32000-2, 7.3).

use std::ops::Range;

/// A number that names an indirect object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId {
    /// The object's number, from 1.
    pub number: u32,
    /// Its generation. 0 unless a number was freed and used again. Readers find objects by number only.
    pub generation: u16,
}

/// An object.
#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    /// `null`, or a reference to an object that doesn't exist.
    Null,
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a decimal point.
    Real(f64),
    /// A name, without its slash and with its `#` escapes undone.
    Name(Vec<u8>),
    /// A string.
    String(PdfString),
    /// An array.
    Array(Vec<Object>),
    /// A dictionary.
    Dictionary(Dictionary),
    /// A stream.
    Stream(Stream),
    /// A reference to an indirect object.
    Reference(ObjectId),
}

/// A string. `Debug` doesn't show its bytes, which may be personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct PdfString {
    /// Its bytes, decoded from `(…)` or `<…>`. Strings of an encrypted document are still encrypted.
    pub bytes: Vec<u8>,
    /// Where it stands with its delimiters, as an absolute range of offsets in the file. For an object from an object
    /// stream: the range in the decoded stream.
    pub place: Range<u64>,
}

impl std::fmt::Debug for PdfString {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PdfString").field("place", &self.place).finish_non_exhaustive()
    }
}

/// A stream: a dictionary and bytes, which [`Document::decode`](super::Document::decode) reads.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// Its dictionary.
    pub dictionary: Dictionary,
    /// The absolute offset of its first byte in the file.
    pub start: u64,
}

/// A dictionary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dictionary(pub(super) Vec<(Vec<u8>, Object)>);

impl Dictionary {
    /// The value of a key (without slash), as it stands there. If a key stands there twice, the last one counts.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Object> {
        self.0.iter().rev().find(|(name, _)| name == key.as_bytes()).map(|(_, value)| value)
    }

    /// All keys and values, in the file's order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Object)> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value))
    }

    /// Whether the value of a key is this name.
    #[must_use]
    pub fn is(&self, key: &str, name: &str) -> bool {
        self.get(key).and_then(Object::name) == Some(name.as_bytes())
    }

    /// The value of a key, if it is a whole number that isn't negative.
    #[must_use]
    pub fn unsigned(&self, key: &str) -> Option<u64> {
        self.get(key).and_then(Object::unsigned)
    }
}

impl Object {
    /// The dictionary, also of a stream.
    #[must_use]
    pub const fn dictionary(&self) -> Option<&Dictionary> {
        match self {
            Self::Dictionary(dictionary) => Some(dictionary),
            Self::Stream(stream) => Some(&stream.dictionary),
            _ => None,
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        if let Self::Name(name) = self { Some(name) } else { None }
    }

    /// The array's elements.
    #[must_use]
    pub fn array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// The string.
    #[must_use]
    pub const fn string(&self) -> Option<&PdfString> {
        if let Self::String(string) = self { Some(string) } else { None }
    }

    /// The stream.
    #[must_use]
    pub const fn stream(&self) -> Option<&Stream> {
        if let Self::Stream(stream) = self { Some(stream) } else { None }
    }

    /// The whole number, if it isn't negative.
    #[must_use]
    pub fn unsigned(&self) -> Option<u64> {
        if let Self::Integer(number) = self { u64::try_from(*number).ok() } else { None }
    }
}
