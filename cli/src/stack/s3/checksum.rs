//! The checksums a client may send with a body, under the names S3 gives them.
//!
//! The requests and responses of `s3s` have one field per algorithm; the two macros translate between those and
//! [`Checksums`].

use std::collections::BTreeMap;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::Checksum as _;
use serde::{Deserialize, Serialize};

/// The known checksums, in base64.
pub(super) type Checksums = BTreeMap<Algorithm, String>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The name in `x-amz-checksum-algorithm` and in listings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// The header or trailer `x-amz-checksum-…` that carries a value, in any case.
    pub fn of_header(header: &str) -> Option<Self> {
        Self::parse(header.to_ascii_lowercase().strip_prefix("x-amz-checksum-")?)
    }
}

/// Reads [`Checksums`] from the five fields of a value of `s3s`.
macro_rules! checksums_of {
    ($from:expr) => {{
        use $crate::stack::s3::checksum::{Algorithm, Checksums};
        let from = &$from;
        [
            (Algorithm::Crc32, &from.checksum_crc32),
            (Algorithm::Crc32c, &from.checksum_crc32c),
            (Algorithm::Crc64Nvme, &from.checksum_crc64nvme),
            (Algorithm::Sha1, &from.checksum_sha1),
            (Algorithm::Sha256, &from.checksum_sha256),
        ]
        .into_iter()
        .filter_map(|(algorithm, value)| Some((algorithm, value.clone()?)))
        .collect::<Checksums>()
    }};
}
pub(super) use checksums_of;

/// Sets the five fields of a response from [`Checksums`].
macro_rules! set_checksums {
    ($to:expr, $checksums:expr) => {{
        use $crate::stack::s3::checksum::Algorithm;
        let checksums = &$checksums;
        $to.checksum_crc32 = checksums.get(&Algorithm::Crc32).cloned();
        $to.checksum_crc32c = checksums.get(&Algorithm::Crc32c).cloned();
        $to.checksum_crc64nvme = checksums.get(&Algorithm::Crc64Nvme).cloned();
        $to.checksum_sha1 = checksums.get(&Algorithm::Sha1).cloned();
        $to.checksum_sha256 = checksums.get(&Algorithm::Sha256).cloned();
    }};
}
pub(super) use set_checksums;

/// Computes several checksums in one pass.
pub(super) struct Hasher {
    others: ChecksumHasher,
    /// The archive sends this one with every file. In a debug build it is 40 times as fast as that of `s3s`.
    sha256: Option<digest::Context>,
}

impl Hasher {
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut others = ChecksumHasher::default();
        let mut sha256 = None;
        for algorithm in algorithms {
            match algorithm {
                Algorithm::Crc32 => others.crc32 = Some(s3s::crypto::Crc32::new()),
                Algorithm::Crc32c => others.crc32c = Some(s3s::crypto::Crc32c::new()),
                Algorithm::Crc64Nvme => others.crc64nvme = Some(s3s::crypto::Crc64Nvme::new()),
                Algorithm::Sha1 => others.sha1 = Some(s3s::crypto::Sha1::new()),
                Algorithm::Sha256 => sha256 = Some(digest::Context::new(&digest::SHA256)),
            }
        }
        Self { others, sha256 }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.others.update(bytes);
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    pub fn finish(self) -> Checksums {
        let mut checksums = checksums_of!(self.others.finalize());
        if let Some(sha256) = self.sha256 {
            checksums.insert(Algorithm::Sha256, STANDARD.encode(sha256.finish()));
        }
        checksums
    }
}

/// Lower-case hex, for ETags and file names.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
