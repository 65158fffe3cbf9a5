//! Parses a posted form into fields of **bytes**.
//!
//! Legalesign signs the bytes of a form field's value. The usual form decoders return text and replace invalid UTF-8
//! with U+FFFD, so that a genuine signature would no longer match. This parser replaces nothing.
//!
//! The services don't document their Content-Type, so it is only a hint: `multipart/form-data` is parsed as such, and
//! anything else, or no header, as `application/x-www-form-urlencoded`. Any bytes are a valid urlencoded form, so a
//! body that is not a form becomes a form without the expected field.
//!
//! Byte order marks before a form are ignored.
//!
//! Reading a field that occurs twice is an error: two readers could pick different values, and a signature over one
//! would vouch for the other.
//!
//! Memory: the whole body is in memory. A value that needs no decoding is a slice of it; others are copied once.

mod multipart;
#[cfg(test)]
mod tests;
mod urlencoded;

use std::fmt;

use bytes::Bytes;

use crate::json::without_byte_order_marks;

/// Maximum number of fields. Legalesign posts fewer than a dozen. Without a limit, a body of 4.5 MB could hold
/// millions, each with its overhead.
const MAX_FIELDS: usize = 1_000;

/// The fields of a form, in the order of the body.
pub struct Form {
    fields: Vec<Field>,
}

/// A decoded name and value. Names are bytes too: one that isn't UTF-8 is valid, but never matches a field of ours.
#[derive(PartialEq, Eq)]
struct Field {
    name: Bytes,
    value: Bytes,
}

/// Why a body can't be parsed as a form. Contains nothing of the body, so it is safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// More than 1,000 fields.
    #[error("the form has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// The content type is `multipart/form-data` with no boundary or an invalid one.
    #[error("the content type is multipart/form-data without a valid boundary")]
    Boundary,
    /// The content type has two boundaries, and each gives another form.
    #[error("the content type's boundaries give different forms")]
    Ambiguous,
    /// The multipart body is truncated, or isn't structured as RFC 7578 requires.
    #[error("the multipart body is malformed")]
    Multipart,
}

impl FormError {
    /// A stable code for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::TooManyFields => "form_too_many_fields",
            Self::Ambiguous => "form_ambiguous",
            Self::Boundary => "form_boundary",
            Self::Multipart => "form_multipart",
        }
    }
}

/// Why a field's value can't be returned. Contains the requested name, nothing of the body, so it is safe to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// The form doesn't contain the field.
    #[error("the form has no field `{0}`")]
    Missing(&'static str),
    /// The form contains the field more than once, with equal or different values.
    #[error("the form has the field `{0}` more than once")]
    Twice(&'static str),
}

impl FieldError {
    /// A stable code for logs and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Missing(_) => "field_missing",
            Self::Twice(_) => "field_twice",
        }
    }
}

impl Form {
    /// Parses a body. `content_type` is the request's header, if there is one and it is text.
    ///
    /// # Errors
    /// [`FormError`]: too many fields, or `multipart/form-data` without a valid boundary, with boundaries that give
    /// different forms, or with a malformed body.
    pub fn read(content_type: Option<&str>, body: &Bytes) -> Result<Self, FormError> {
        let mut forms = Self::read_all(content_type, body)?;
        let form = forms.pop().ok_or(FormError::Multipart)?;
        if forms.is_empty() { Ok(form) } else { Err(FormError::Ambiguous) }
    }

    /// The same, with every form that the content type's boundaries give. At least one, and more than one only if the
    /// content type has several boundaries: then a signature can decide which of them was sent.
    ///
    /// # Errors
    /// The same, except for [`FormError::Ambiguous`].
    pub fn read_all(content_type: Option<&str>, body: &Bytes) -> Result<Vec<Self>, FormError> {
        let body = body.slice_ref(without_byte_order_marks(body));
        let forms = match content_type {
            Some(content_type) if multipart::is_multipart(content_type) => match multipart::read(content_type, &body) {
                Err(FormError::Boundary | FormError::Multipart) if multipart::is_mixed(content_type) => {
                    vec![urlencoded::read(&body)?]
                }
                forms => forms?,
            },
            _ => vec![urlencoded::read(&body)?],
        };
        Ok(forms.into_iter().map(|fields| Self { fields }).collect())
    }

    /// The value of a required field. An empty value is a value.
    ///
    /// # Errors
    /// [`FieldError`] unless the field occurs exactly once.
    pub fn one(&self, name: &'static str) -> Result<&Bytes, FieldError> {
        self.optional(name)?.ok_or(FieldError::Missing(name))
    }

    /// The value of an optional field; `None` if the form doesn't contain it.
    ///
    /// # Errors
    /// [`FieldError::Twice`] if the field occurs more than once.
    pub fn optional(&self, name: &'static str) -> Result<Option<&Bytes>, FieldError> {
        let mut values = self.fields.iter().filter(|field| field.name == name.as_bytes()).map(|field| &field.value);
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(FieldError::Twice(name)),
        }
    }
}

/// Shows only the number of fields: their content is personal data.
impl fmt::Debug for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form").field("fields", &self.fields.len()).finish_non_exhaustive()
    }
}

/// Adds a field, up to [`MAX_FIELDS`].
fn push(fields: &mut Vec<Field>, name: Bytes, value: Bytes) -> Result<(), FormError> {
    if fields.len() == MAX_FIELDS {
        return Err(FormError::TooManyFields);
    }
    fields.push(Field { name, value });
    Ok(())
}
