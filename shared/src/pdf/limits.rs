//! The limits that keep memory and time small on hostile files. Real files are far below them.

/// Maximum number of bytes before `%PDF-` plus its own length (ISO 32000-1, Annex H, note 13).
pub(super) const HEADER_WITHIN: usize = 1024;

/// Maximum size of an object that is parsed, in bytes, without the bytes of a stream.
pub(super) const MAX_OBJECT: usize = 4 * 1024 * 1024;

/// Maximum number of values in an object, with all that are nested in it.
pub(super) const MAX_VALUES: usize = 100_000;

/// Maximum depth of nested arrays and dictionaries.
pub(super) const MAX_DEPTH: usize = 64;

/// Maximum number of cross-reference sections. Each revision of a document adds one.
pub(super) const MAX_SECTIONS: usize = 4_096;

/// Maximum number of entries in all cross-reference sections together.
pub(super) const MAX_ENTRIES: u64 = 8_000_000;

/// Maximum number of groups of [`PER_GROUP`] object numbers that are in use: about a million objects, 8 MiB.
pub(super) const MAX_GROUPS: usize = 4_096;

/// Object numbers per group.
pub(super) const PER_GROUP: u32 = 256;

/// Maximum size of an object stream in memory, in bytes, decoded.
pub(super) const MAX_OBJECT_STREAM: u64 = 8 * 1024 * 1024;

/// Maximum number of bytes that a structure check decodes from object streams. Streams after that aren't decoded.
pub(super) const MAX_DECODED: u64 = 256 * 1024 * 1024;

/// Maximum length of a row before a PNG predictor, in bytes.
pub(super) const MAX_ROW: usize = 64 * 1024;

/// Maximum number of references that lead to each other.
pub(super) const MAX_HOPS: usize = 32;
