//! A zip of files as they are (stored, not compressed), as SignEasy's split download is.

use std::io::{Cursor, Write};

use ::zip::{CompressionMethod, ZipWriter, result::ZipResult, write::SimpleFileOptions};

/// A member: its name and its bytes.
pub(super) type Member = (String, Vec<u8>);

/// The archive, its members in this order. Their names must differ.
#[expect(clippy::expect_used, reason = "memory takes every byte, and the names, which are numbered, differ")]
pub(super) fn archive(members: &[Member]) -> Vec<u8> {
    write(members).expect("a zip in memory")
}

fn write(members: &[Member]) -> ZipResult<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in members {
        zip.start_file(name.as_str(), stored)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use ::zip::ZipArchive;

    use super::*;

    #[test]
    fn members_are_stored_in_their_order() {
        let members = [("b.pdf".to_owned(), b"first".to_vec()), ("a \u{20ac}.pdf".to_owned(), b"second one".to_vec())];
        let mut zip = ZipArchive::new(Cursor::new(archive(&members))).unwrap();
        assert_eq!(zip.len(), members.len());
        for (index, (name, bytes)) in members.iter().enumerate() {
            let mut member = zip.by_index(index).unwrap();
            let mut content = Vec::new();
            // Reading to the end compares the checksum too.
            member.read_to_end(&mut content).unwrap();
            assert_eq!((&*member.name().unwrap(), member.compression()), (name.as_str(), CompressionMethod::Stored));
            assert_eq!(content, *bytes);
        }
    }
}
