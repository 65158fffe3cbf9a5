//! Reads a posted form into fields of **bytes**.
//!
//! What Legalesign signs is the value of a form field, byte by byte. The usual form decoders give text, and put U+FFFD
//! where something isn't UTF-8, so that a genuine signature would no longer match. Here nothing is replaced.
//!
//! The services don't document their Content-Type. It is a hint: `multipart/form-data` is read as such, and everything
//! else, also nothing, as `application/x-www-form-urlencoded`. That can't fail, so a body that is no form at all
//! becomes a form without the wanted field.
//!
//! A field that stands twice is an error when it is asked for: two readers could pick different ones, and a signature
//! over one would vouch for the other.
//!
//! Memory: the body comes whole. A value that needs no decoding is a slice of it, others are copied once.

mod multipart;
#[cfg(test)]
mod tests;
mod urlencoded;

use std::fmt;

use bytes::Bytes;

/// The most fields that are read. Legalesign posts under a dozen; a 4.5 MB body could otherwise hold millions, each
/// with its bookkeeping.
const MAX_FIELDS: usize = 1_000;

/// The fields of a form, in the order they were posted.
pub struct Form {
    fields: Vec<Field>,
}

/// A name and a value, both decoded. Names are bytes too: one that isn't UTF-8 is a name that nobody asks for.
struct Field {
    name: Bytes,
    value: Bytes,
}

/// Why a body can't be read as a form. Repeats nothing of the body, so it is safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than a thousand fields.
    #[error("the form has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// The content type says multipart, but gives no boundary, or can't be read.
    #[error("the content type is multipart/form-data without a readable boundary")]
    Boundary,
    /// The multipart body breaks off, or isn't built as RFC 7578 says.
    #[error("the multipart body is malformed")]
    Multipart,
}

impl FormError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooManyFields => "form_too_many_fields",
            Self::Boundary => "form_boundary",
            Self::Multipart => "form_multipart",
        }
    }
}

/// Why a field has no value to give. The name is the one that was asked for, never one that was posted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The form doesn't have it.
    #[error("the form has no field `{0}`")]
    Missing(&'static str),
    /// The form has it more than once, with the same value or not.
    #[error("the form has the field `{0}` more than once")]
    Twice(&'static str),
}

impl FieldError {
    /// A stable word for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing(_) => "field_missing",
            Self::Twice(_) => "field_twice",
        }
    }
}

impl Form {
    /// Reads a body. `content_type` is the request's header, if there was one that is text.
    ///
    /// # Errors
    /// [`FormError`]: too many fields, or a body that claims to be multipart and isn't.
    pub fn read(content_type: Option<&str>, body: &Bytes) -> Result<Self, FormError> {
        let fields = match content_type {
            Some(content_type) if multipart::is_multipart(content_type) => multipart::read(content_type, body)?,
            _ => urlencoded::read(body)?,
        };
        Ok(Self { fields })
    }

    /// The value of a field that has to be there, once. An empty value is a value.
    ///
    /// # Errors
    /// [`FieldError::Missing`] and [`FieldError::Twice`].
    pub fn one(&self, name: &'static str) -> Result<&Bytes, FieldError> {
        self.optional(name)?.ok_or(FieldError::Missing(name))
    }

    /// The value of a field that may be there, once.
    ///
    /// # Errors
    /// [`FieldError::Twice`].
    pub fn optional(&self, name: &'static str) -> Result<Option<&Bytes>, FieldError> {
        let mut values = self.fields.iter().filter(|field| field.name == name.as_bytes()).map(|field| &field.value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(FieldError::Twice(name)),
        }
    }
}

/// Says how many fields there are and nothing of them: they hold names and addresses.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

/// Adds a field, as long as there is room.
fn push(fields: &mut Vec<Field>, name: Bytes, value: Bytes) -> Result<(), FormError> {
    if fields.len() == MAX_FIELDS {
        return Err(FormError::TooManyFields);
    }
    fields.push(Field { name, value });
    Ok(())
}
