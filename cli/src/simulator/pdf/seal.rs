//! Signatures within the simulated PDFs, with a throw-away key that each process makes once.
//!
//! RSA with PKCS #1 v1.5 and no signed attributes always gives the same signature for the same bytes, so a PDF that is
//! rendered twice for one version is the same file.

use std::sync::LazyLock;

use jiff::Timestamp;
use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    cms::{CMSOptions, CmsContentInfo},
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    x509::{X509, X509NameBuilder},
};
use pdf_writer::{Finish as _, Name, Pdf, Rect, Ref, Str, TextStr, writers::Catalog};

use super::date;

/// How a service signs its final PDFs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Seal {
    /// Not at all.
    #[default]
    None,
    /// With an approval signature.
    Approval,
    /// With a certification: nothing may be changed afterwards.
    Certification,
}

/// Room for a signature, in bytes. With its certificate, one has about 1,300.
const ROOM: usize = 2_048;

/// Stands for a number of `ByteRange` that isn't known yet. It has ten digits, enough for any file.
const UNKNOWN: i32 = 1_111_111_111;

/// Stands for the signature. Bytes that aren't ASCII are written as hexadecimal digits.
const EMPTY: [u8; ROOM] = [0xff; ROOM];

/// The key and its certificate; `None` if OpenSSL fails.
static SIGNER: LazyLock<Option<(PKey<Private>, X509)>> = LazyLock::new(|| signer().ok());

/// The objects of a signature.
#[derive(Clone, Copy)]
pub(super) struct Field {
    seal: Seal,
    /// The form field, which is also an annotation of the first page.
    pub(super) field: Ref,
    signature: Ref,
}

impl Field {
    /// Takes two ids for a signature, if there is to be one.
    pub(super) fn new(seal: Seal, ids: &mut impl Iterator<Item = Ref>) -> Option<Self> {
        if seal == Seal::None || SIGNER.is_none() {
            return None;
        }
        Some(Self { seal, field: ids.next()?, signature: ids.next()? })
    }

    /// Names the field in the catalog.
    pub(super) fn list(self, catalog: &mut Catalog<'_>) {
        let mut form = catalog.insert(Name(b"AcroForm")).dict();
        // Signatures exist, and later changes may only be appended.
        form.pair(Name(b"SigFlags"), 3).insert(Name(b"Fields")).array().item(self.field);
        form.finish();
        if self.seal == Seal::Certification {
            catalog.insert(Name(b"Perms")).dict().pair(Name(b"DocMDP"), self.signature);
        }
    }

    /// Writes the field and its signature, which is still empty.
    pub(super) fn write(self, pdf: &mut Pdf, page: Ref, at: Timestamp) {
        let mut field = pdf.indirect(self.field).dict();
        field.pair(Name(b"Type"), Name(b"Annot")).pair(Name(b"Subtype"), Name(b"Widget"));
        field.pair(Name(b"FT"), Name(b"Sig")).pair(Name(b"T"), TextStr("Signature1"));
        // Printed, locked, and without an appearance.
        field.pair(Name(b"F"), 132).pair(Name(b"Rect"), Rect::new(0.0, 0.0, 0.0, 0.0));
        field.pair(Name(b"P"), page).pair(Name(b"V"), self.signature);
        field.finish();
        let mut signature = pdf.indirect(self.signature).dict();
        signature.pair(Name(b"Type"), Name(b"Sig")).pair(Name(b"Filter"), Name(b"Adobe.PPKLite"));
        signature.pair(Name(b"SubFilter"), Name(b"adbe.pkcs7.detached")).pair(Name(b"M"), date(at));
        signature.pair(Name(b"Contents"), Str(&EMPTY));
        signature.insert(Name(b"ByteRange")).array().items([0, UNKNOWN, UNKNOWN, UNKNOWN]);
        if self.seal == Seal::Certification {
            let mut references = signature.insert(Name(b"Reference")).array();
            let mut reference = references.push().dict();
            reference.pair(Name(b"Type"), Name(b"SigRef")).pair(Name(b"TransformMethod"), Name(b"DocMDP"));
            let mut parameters = reference.insert(Name(b"TransformParams")).dict();
            parameters.pair(Name(b"Type"), Name(b"TransformParams"));
            parameters.pair(Name(b"P"), 1).pair(Name(b"V"), Name(b"1.2"));
        }
    }
}

/// Signs a file with an empty signature. A file without one stays as it is.
pub(super) fn sign(file: Vec<u8>) -> Vec<u8> {
    signed(&file).unwrap_or(file)
}

fn signed(file: &[u8]) -> Option<Vec<u8>> {
    let (key, certificate) = SIGNER.as_ref()?;
    let contents = find(file, format!("<{}>", "FF".repeat(ROOM)).as_bytes())?;
    let end = contents + 2 * ROOM + 2;
    let unknown = format!("[0 {UNKNOWN} {UNKNOWN} {UNKNOWN}]");
    let known = format!("[0 {contents} {end} {}]", file.len() - end);
    let range = find(file, unknown.as_bytes())?;
    let mut file = file.to_vec();
    file[range..range + unknown.len()].copy_from_slice(format!("{known:<0$}", unknown.len()).as_bytes());
    let covered = [&file[..contents], &file[end..]].concat();
    let options = CMSOptions::DETACHED | CMSOptions::BINARY | CMSOptions::NOATTR;
    let signature = CmsContentInfo::sign(Some(certificate), Some(key), None, Some(&covered), options).ok()?;
    let digits: String = signature.to_der().ok()?.iter().map(|byte| format!("{byte:02X}")).collect();
    let room = file.get_mut(contents + 1..end - 1)?;
    room.fill(b'0');
    room.get_mut(..digits.len())?.copy_from_slice(digits.as_bytes());
    Some(file)
}

fn find(file: &[u8], text: &[u8]) -> Option<usize> {
    file.windows(text.len()).position(|window| window == text)
}

/// A key with a self-signed certificate.
fn signer() -> Result<(PKey<Private>, X509), ErrorStack> {
    let key = PKey::from_rsa(Rsa::generate(2048)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("O", "THROW-AWAY KEY, NOT REAL")?;
    name.append_entry_by_text("CN", "Countersign simulator")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(&key)?;
    certificate.set_not_before(Asn1Time::from_unix(0)?.as_ref())?;
    certificate.set_not_after(Asn1Time::days_from_now(3_650)?.as_ref())?;
    certificate.sign(&key, MessageDigest::sha256())?;
    Ok((key, certificate.build()))
}
