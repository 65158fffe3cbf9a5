//! What is in a downloaded file: codings are undone, a zip is unpacked, each PDF is checked.

use std::io::Read;

use super::{
    coding,
    download::MAX_DOWNLOAD,
    pdf_file::PdfFile,
    spool::Spooled,
    zip::{self, MAX_UNPACKED},
};
use crate::{domain::Unavailable, ledger::HashedBytes, outbound::Coding};

/// A PDF that the archive would keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPdf {
    /// SHA-256, in hex.
    pub sha256: String,
    /// In bytes.
    pub size: u64,
    /// The number of bytes after the PDF's end.
    pub trailing_bytes: u64,
    /// Its name in the zip that it came in, made safe.
    pub name: Option<String>,
}

/// What the archive would keep of a file that was sent with these content codings. At most 300 MB of it are read.
///
/// # Errors
/// Why the file isn't a document.
pub fn find_pdfs(file: impl Read, codings: &[Coding]) -> Result<Vec<FoundPdf>, Unavailable> {
    let file = Spooled::write(file, MAX_DOWNLOAD).map_err(|_| Unavailable::failed("disk"))?;
    let pdfs = Contents::open(file, codings)?.pdfs.into_iter();
    Ok(pdfs
        .map(|PdfFile { sha256, size, trailing_bytes, name, .. }| FoundPdf { sha256, size, trailing_bytes, name })
        .collect())
}

/// The PDFs of a downloaded file.
pub(super) struct Contents {
    /// One PDF, or the PDFs of a zip in the zip's order.
    pub(super) pdfs: Vec<PdfFile>,
    /// SHA-256 of the file without its codings, in hex. For a zip, that of the zip.
    pub(super) sha256: String,
    /// SHA-256 of the file with its codings, in hex, if it had any.
    coded_sha256: Option<String>,
}

impl Contents {
    /// Takes a file apart that was sent with these content codings.
    ///
    /// A coding that can't be undone doesn't matter if the file is a whole PDF or a zip without it.
    ///
    /// # Errors
    /// Why the file isn't the document.
    pub(super) fn open(file: Spooled, codings: &[Coding]) -> Result<Self, Unavailable> {
        match coding::undo(&file, codings) {
            Ok(Some(decoded)) => {
                let coded_sha256 = Some(file.sha256());
                // Two copies and a zip's members may be more than the disk can hold.
                drop(file);
                let contents = Self::without_codings(decoded).map_err(Unavailable::failed)?;
                Ok(Self { coded_sha256, ..contents })
            }
            Ok(None) => Self::without_codings(file).map_err(|reason| match other(codings) {
                Some(name) => Unavailable::failed(format!("content_coding_{name}")),
                None => Unavailable::failed(reason),
            }),
            Err(reason) => Self::without_codings(file).map_err(|_| Unavailable::failed(reason)),
        }
    }

    fn without_codings(file: Spooled) -> Result<Self, &'static str> {
        let sha256 = file.sha256();
        let pdfs = match zip::unpack(&file.file, MAX_UNPACKED)? {
            Some(pdfs) => pdfs,
            None => vec![PdfFile::check(file, None).map_err(|fault| fault.code())?],
        };
        Ok(Self { pdfs, sha256, coded_sha256: None })
    }

    /// Compares the service's own hash, in hex. For a zip with a single PDF it may be that of the zip or of the PDF, and a
    /// storage host that codes files on its own may have hashed them afterwards.
    ///
    /// # Errors
    /// If it is none of them.
    pub(super) fn compare(&self, expected: &str) -> Result<HashedBytes, Unavailable> {
        let only = if let [only] = self.pdfs.as_slice() { Some(&only.sha256) } else { None };
        let known = [
            (only, HashedBytes::Pdf),
            (Some(&self.sha256), HashedBytes::Zip),
            (self.coded_sha256.as_ref(), HashedBytes::Coded),
        ];
        let is_expected = |sha256: &Option<&String>| sha256.is_some_and(|sha256| expected.eq_ignore_ascii_case(sha256));
        let found = known.into_iter().find(|(sha256, _)| is_expected(sha256));
        found.map(|(_, bytes)| bytes).ok_or_else(|| Unavailable::failed("hash_mismatch"))
    }
}

/// The first coding that is neither `gzip` nor `deflate`.
fn other(codings: &[Coding]) -> Option<&str> {
    codings.iter().find_map(|coding| if let Coding::Other(name) = coding { Some(name.as_str()) } else { None })
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use ::zip::{ZipWriter, write::SimpleFileOptions};

    use super::*;
    use crate::pdf::tests::PLAIN;

    fn open(bytes: &[u8], codings: &[Coding]) -> Contents {
        Contents::open(Spooled::write(bytes, u64::MAX).ok().unwrap(), codings).ok().unwrap()
    }

    fn hash(bytes: &[u8]) -> String {
        Spooled::write(bytes, u64::MAX).ok().unwrap().sha256().to_ascii_uppercase()
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zip(pdfs: &[&[u8]]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (number, bytes) in pdfs.iter().enumerate() {
            zip.start_file(number.to_string(), SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn a_services_hash_may_be_that_of_the_pdf_or_of_what_it_came_in() {
        let pdf = PLAIN.as_bytes();
        let other = PLAIN.replace("200 200", "300 300");
        let (single, several) = (zip(&[pdf]), zip(&[pdf, other.as_bytes()]));
        let no = Err(Unavailable::failed("hash_mismatch"));
        for (bytes, codings, hashed, expected) in [
            (pdf.to_vec(), vec![], pdf, Ok(HashedBytes::Pdf)),
            (pdf.to_vec(), vec![], other.as_bytes(), no.clone()),
            (single.clone(), vec![], pdf, Ok(HashedBytes::Pdf)),
            (single.clone(), vec![], single.as_slice(), Ok(HashedBytes::Zip)),
            (several.clone(), vec![], several.as_slice(), Ok(HashedBytes::Zip)),
            (several.clone(), vec![], pdf, no.clone()),
            (gzip(pdf), vec![Coding::Gzip], pdf, Ok(HashedBytes::Pdf)),
            (gzip(pdf), vec![Coding::Gzip], gzip(pdf).as_slice(), Ok(HashedBytes::Coded)),
            (gzip(&single), vec![Coding::Gzip], single.as_slice(), Ok(HashedBytes::Zip)),
            (gzip(pdf), vec![Coding::Gzip], other.as_bytes(), no.clone()),
        ] {
            assert_eq!(open(&bytes, &codings).compare(&hash(hashed)), expected);
        }
    }
}
