//! The limits that keep memory and time small on hostile files. Real files are far below them.

/// Maximum number of form fields that are visited. A file with more is not judged.
pub(super) const MAX_FIELDS: usize = 20_000;

/// Maximum depth of nested form fields.
pub(super) const MAX_DEPTH: usize = 32;

/// Maximum number of signatures. A file with more is not judged.
pub(super) const MAX_SIGNATURES: usize = 64;

/// Maximum size of a signature, in bytes. Revocation data can make one several 100 KB large.
pub(super) const MAX_CONTENTS: usize = 1024 * 1024;

/// Maximum number of bytes that are hashed for all signatures of a file together: 64 signatures of a file of 64 MB, or 13
/// of one of 300 MB.
pub(super) const MAX_HASHED: u64 = 4 * 1024 * 1024 * 1024;

/// Maximum length of a field's name, in characters.
pub(super) const MAX_NAME: usize = 200;
