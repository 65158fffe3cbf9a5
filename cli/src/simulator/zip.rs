//! A zip of files as they are (stored, not compressed): what SignEasy's split download is.

/// A member: its name and its bytes.
pub(super) type Member = (String, Vec<u8>);

/// 1 January 2025, in MS-DOS's way of counting.
const DATE: u16 = (2025 - 1980) << 9 | 1 << 5 | 1;
const VERSION: u16 = 20;
/// Names are UTF-8.
const FLAGS: u16 = 1 << 11;

/// The archive, its members in this order.
pub(super) fn archive(members: &[Member]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let offset = size(file.len());
        let mut about = Vec::new();
        about.extend([VERSION, FLAGS, 0, 0, DATE].into_iter().flat_map(u16::to_le_bytes));
        about.extend([crc32(bytes), size(bytes.len()), size(bytes.len())].into_iter().flat_map(u32::to_le_bytes));
        about.extend([short(name.len()), 0].into_iter().flat_map(u16::to_le_bytes));
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&about);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(bytes);
        directory.extend_from_slice(b"PK\x01\x02");
        directory.extend_from_slice(&VERSION.to_le_bytes());
        directory.extend_from_slice(&about);
        // No comment, first disk, no attributes.
        directory.extend_from_slice(&[0; 10]);
        directory.extend_from_slice(&offset.to_le_bytes());
        directory.extend_from_slice(name.as_bytes());
    }
    let (start, length, count) = (size(file.len()), size(directory.len()), short(members.len()));
    file.extend(directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend([count, count].into_iter().flat_map(u16::to_le_bytes));
    file.extend([length, start].into_iter().flat_map(u32::to_le_bytes));
    file.extend_from_slice(&[0; 2]);
    file
}

/// Archives here are a few pages large; the format's own limit of 4 GiB is never near.
fn size(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn short(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

/// CRC-32 as zip uses it (ISO-HDLC: reflected 0x04C11DB7).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_zips() {
        // The check value of the catalogue of CRCs.
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn the_end_record_leads_to_the_directory_and_that_to_the_members() {
        let zip = archive(&[("a.pdf".to_owned(), b"first".to_vec()), ("b.pdf".to_owned(), b"second one".to_vec())]);
        let number = |at: usize| u32::from_le_bytes(zip[at..at + 4].try_into().unwrap()) as usize;
        let end = zip.len() - 22;
        assert!(zip[end..].starts_with(b"PK\x05\x06"));
        let (length, start) = (number(end + 12), number(end + 16));
        assert_eq!(start + length, end);
        let first = start;
        let second = first + 46 + 5;
        for (entry, content) in [(first, &b"first"[..]), (second, b"second one")] {
            assert!(zip[entry..].starts_with(b"PK\x01\x02"));
            let member = number(entry + 42);
            assert!(zip[member..].starts_with(b"PK\x03\x04"));
            assert!(zip[member + 30 + 5..].starts_with(content));
            assert_eq!(number(entry + 16), crc32(content) as usize);
        }
    }
}
