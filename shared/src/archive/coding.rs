//! Undoes content codings that the request did not accept. Some storage hosts send `gzip` whatever a request accepts; others
//! announce a coding that the body doesn't have (`aws-chunked`, left over from an upload).

use std::{
    fs::File,
    io::{BufReader, Read, Seek},
};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use super::spool::{SpoolError, Spooled};
use crate::outbound::Coding;

/// Maximum size of a decoded file, in bytes. It must fit on a function's disk of 512 MB, beside the coded one.
const MAX_DECODED: u64 = 200 * 1024 * 1024;

/// Maximum size of a decoded file, as a multiple of the coded one. A PDF's streams are compressed already; DEFLATE could
/// reach 1,032.
const MAX_RATIO: u64 = 100;

/// Size up to which the ratio doesn't matter, in bytes.
const SMALL: u64 = 1024 * 1024;

/// Maximum number of codings that are undone.
const MAX_CODINGS: usize = 3;

/// Undoes the codings of a file, the last one first. `None` if it has none: codings other than `gzip` and `deflate`
/// are ignored, and so are these if the file doesn't begin as they do.
///
/// # Errors
/// A stable code: the file begins with the coding, but can't be decoded, or not within the limits.
pub(super) fn undo(file: &Spooled, codings: &[Coding]) -> Result<Option<Spooled>, &'static str> {
    if codings.len() > MAX_CODINGS {
        return Ok(None);
    }
    let mut decoded: Option<Spooled> = None;
    for coding in codings.iter().rev() {
        if let Some(next) = undo_one(decoded.as_ref().unwrap_or(file), coding)? {
            decoded = Some(next);
        }
    }
    Ok(decoded)
}

fn undo_one(file: &Spooled, coding: &Coding) -> Result<Option<Spooled>, &'static str> {
    let open = || file.file.reopen().map(BufReader::new).map_err(|_| "disk");
    let mut start = Vec::new();
    open()?.take(2).read_to_end(&mut start).map_err(|_| "disk")?;
    let limit = file.size.saturating_mul(MAX_RATIO).clamp(SMALL, MAX_DECODED);
    let (decoded, unreadable) = match coding {
        Coding::Gzip if start == [0x1f, 0x8b] => {
            (Spooled::write(MultiGzDecoder::new(open()?), limit), "gzip_unreadable")
        }
        Coding::Deflate if is_zlib(&start) => (Spooled::write(ZlibDecoder::new(open()?), limit), "deflate_unreadable"),
        Coding::Deflate => return raw_deflate(open()?, limit),
        Coding::Gzip | Coding::Other(_) => return Ok(None),
    };
    decoded.map(Some).map_err(|error| code(error, unreadable))
}

/// Undoes raw DEFLATE. It has no signature, so a file that can't be decoded is one without the coding.
fn raw_deflate(file: BufReader<File>, limit: u64) -> Result<Option<Spooled>, &'static str> {
    let mut decoder = DeflateDecoder::new(file);
    match Spooled::write(&mut decoder, limit) {
        Ok(decoded) => Ok(Some(decoded).filter(|_| is_at_end(decoder.into_inner()))),
        Err(SpoolError::Unreadable) => Ok(None),
        Err(error) => Err(code(error, "deflate_unreadable")),
    }
}

/// Whether the file was read to its end. Two bytes can be enough for the end of DEFLATE's data.
fn is_at_end(mut file: BufReader<File>) -> bool {
    file.stream_position().is_ok_and(|position| file.get_ref().metadata().is_ok_and(|data| data.len() == position))
}

/// Whether a file begins with the header of zlib (RFC 1950, 2.2).
fn is_zlib(start: &[u8]) -> bool {
    let [method, flags] = start else { return false };
    method & 0x0f == 8 && (u16::from(*method) * 256 + u16::from(*flags)) % 31 == 0
}

const fn code(error: SpoolError, unreadable: &'static str) -> &'static str {
    match error {
        SpoolError::TooLarge => "decoded_too_large",
        SpoolError::Unreadable => unreadable,
        SpoolError::Disk => "disk",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn undone(bytes: &[u8], codings: &[Coding]) -> Result<Option<Vec<u8>>, &'static str> {
        let file = Spooled::write(bytes, u64::MAX).ok().unwrap();
        let decoded = undo(&file, codings)?;
        Ok(decoded.map(|decoded| std::fs::read(decoded.file.path()).unwrap()))
    }

    #[test]
    fn codings_that_a_body_has_are_undone_in_reverse_order() {
        let body = b"%PDF-1.7 and so on".as_slice();
        let other = || Coding::Other("aws-chunked".to_owned());
        for (coded, codings) in [
            (gzip(body), vec![Coding::Gzip]),
            (zlib(body), vec![Coding::Deflate]),
            (raw(body), vec![Coding::Deflate]),
            (gzip(&zlib(body)), vec![Coding::Deflate, Coding::Gzip]),
            (gzip(body), vec![Coding::Gzip, other()]),
            // Announced twice, applied once.
            (gzip(body), vec![Coding::Gzip, Coding::Gzip]),
        ] {
            assert_eq!(undone(&coded, &codings), Ok(Some(body.to_vec())), "{codings:?}");
        }
    }

    #[test]
    fn codings_that_a_body_does_not_have_are_ignored() {
        for body in [&b"%PDF-1.7 and so on"[..], b"PK\x03\x04", b"", b"<html>", b"\x1f"] {
            for coding in [Coding::Gzip, Coding::Deflate, Coding::Other("br".to_owned())] {
                assert_eq!(undone(body, std::slice::from_ref(&coding)), Ok(None), "{coding:?} {body:?}");
            }
        }
        assert_eq!(undone(&gzip(b"x"), &[Coding::Gzip, Coding::Gzip, Coding::Gzip, Coding::Gzip]), Ok(None));
    }

    #[test]
    fn damaged_codings_and_bombs_are_refused() {
        let coded = gzip(&(0..=255).cycle().take(10_000).collect::<Vec<u8>>());
        assert_eq!(undone(&coded[..coded.len() - 9], &[Coding::Gzip]), Err("gzip_unreadable"));
        let coded = zlib(b"some text, which is long enough");
        assert_eq!(undone(&coded[..coded.len() - 5], &[Coding::Deflate]), Err("deflate_unreadable"));
        let bomb = vec![0; usize::try_from(SMALL).unwrap() + 1];
        assert_eq!(undone(&gzip(&bomb), &[Coding::Gzip]), Err("decoded_too_large"));
        assert_eq!(undone(&raw(&bomb), &[Coding::Deflate]), Err("decoded_too_large"));
        assert!(undone(&gzip(&bomb[1..]), &[Coding::Gzip]).is_ok());
    }
}
