//! Finds signatures: the values of the form's signature fields (ISO 32000-2, 12.7.5.5), and the certification that the
//! catalog names.

use std::{
    collections::BTreeSet,
    io::{Read, Seek},
};

use super::{
    limits::{MAX_DEPTH, MAX_FIELDS, MAX_SIGNATURES},
    text,
};
use crate::pdf::{Dictionary, Document, NotAPdf, Object, ObjectId};

/// A signature that was found.
pub(super) struct Found {
    /// The full name of its field.
    pub(super) name: Option<String>,
    /// The signature dictionary; `None` if it can't be read.
    pub(super) dictionary: Option<Dictionary>,
    /// Whether it is in the file itself, and not in an object stream.
    pub(super) is_in_file: bool,
}

/// All signatures of a document.
#[derive(Default)]
pub(super) struct Signatures {
    pub(super) signatures: Vec<Found>,
    /// Whether the form can't be read because it is encrypted.
    pub(super) is_hidden: bool,
    /// Whether there are more fields or signatures than the limits allow.
    pub(super) is_incomplete: bool,
    seen: BTreeSet<ObjectId>,
    fields: usize,
}

/// What a field inherits.
#[derive(Clone, Default)]
struct Inherited {
    name: Option<String>,
    is_signature: bool,
    depth: usize,
}

/// Finds all signatures.
pub(super) fn find<R: Read + Seek>(document: &mut Document<R>) -> Result<Signatures, NotAPdf> {
    let mut found = Signatures::default();
    let catalog = document.catalog()?;
    let Some(catalog) = catalog.dictionary() else {
        found.is_hidden = true;
        return Ok(found);
    };
    let form = found.resolve(document, catalog, "AcroForm")?;
    if let Some(form) = form.dictionary() {
        let fields = found.resolve(document, form, "Fields")?;
        for field in fields.array().unwrap_or_default() {
            found.visit(document, field, &Inherited::default())?;
        }
    }
    // Readers show a certification even if it is in no field.
    let permissions = found.resolve(document, catalog, "Perms")?;
    if let Some(certification) = permissions.dictionary().and_then(|permissions| permissions.get("DocMDP")) {
        found.add(document, certification, None, true)?;
    }
    Ok(found)
}

impl Signatures {
    /// The value of a key. If an encrypted object stream hides it, nothing is known about the form.
    fn resolve<R: Read + Seek>(
        &mut self,
        document: &mut Document<R>,
        dictionary: &Dictionary,
        key: &str,
    ) -> Result<Object, NotAPdf> {
        let value = document.get(dictionary, key)?;
        self.is_hidden |= document.is_encrypted() && value == Object::Null && dictionary.get(key).is_some();
        Ok(value)
    }

    fn visit<R: Read + Seek>(
        &mut self,
        document: &mut Document<R>,
        field: &Object,
        inherited: &Inherited,
    ) -> Result<(), NotAPdf> {
        self.fields += 1;
        if self.fields > MAX_FIELDS || inherited.depth > MAX_DEPTH {
            self.is_incomplete = true;
        }
        if self.is_incomplete || !self.is_new(field) {
            return Ok(());
        }
        let resolved = document.resolve(field)?;
        self.is_hidden |= document.is_encrypted() && resolved == Object::Null && *field != Object::Null;
        let Some(dictionary) = resolved.dictionary() else { return Ok(()) };
        let kind = document.get(dictionary, "FT")?;
        let is_signature = kind.name().map_or(inherited.is_signature, |kind| kind == b"Sig");
        let name = full_name(document, dictionary, inherited)?;
        if is_signature && let Some(value) = dictionary.get("V") {
            let is_in_file = matches!(field, Object::Reference(id) if document.offset(*id).is_some());
            self.add(document, value, name.clone(), is_in_file)?;
        }
        let inherited = Inherited { name, is_signature, depth: inherited.depth + 1 };
        let kids = document.get(dictionary, "Kids")?;
        for kid in kids.array().unwrap_or_default() {
            self.visit(document, kid, &inherited)?;
        }
        Ok(())
    }

    /// Adds the value of a field. `is_in_file` says where the field itself is.
    fn add<R: Read + Seek>(
        &mut self,
        document: &mut Document<R>,
        value: &Object,
        name: Option<String>,
        is_in_file: bool,
    ) -> Result<(), NotAPdf> {
        if !self.is_new(value) {
            return Ok(());
        }
        let place =
            if let Object::Reference(id) = value { document.offset(*id) } else { Some(0).filter(|_| is_in_file) };
        let resolved = document.resolve(value)?;
        // If the value doesn't exist, the field isn't signed. If it exists and can't be read, it counts as a signature.
        if resolved == Object::Null && place.is_none() && !document.is_encrypted() {
            return Ok(());
        }
        if self.signatures.len() >= MAX_SIGNATURES {
            self.is_incomplete = true;
            return Ok(());
        }
        let dictionary = resolved.dictionary().cloned();
        self.signatures.push(Found { name, dictionary, is_in_file: place.is_some() });
        Ok(())
    }

    /// Whether an object is seen for the first time. Fields may refer to each other in a circle.
    fn is_new(&mut self, object: &Object) -> bool {
        if let Object::Reference(id) = object { self.seen.insert(*id) } else { true }
    }
}

/// The names of all fields from the root to this one, joined by periods (ISO 32000-2, 12.7.4.2).
fn full_name<R: Read + Seek>(
    document: &mut Document<R>,
    field: &Dictionary,
    inherited: &Inherited,
) -> Result<Option<String>, NotAPdf> {
    let own = document.get(field, "T")?;
    let Some(own) = own.string().filter(|_| !document.is_encrypted()) else { return Ok(inherited.name.clone()) };
    let own = text::decode(&own.bytes);
    let full = match &inherited.name {
        Some(parent) => text::clip(&format!("{parent}.{own}")),
        None => own,
    };
    Ok(Some(full).filter(|name| !name.is_empty()))
}
