//! Algorithms: the hashes and signatures that are verified, and their names in CMS.

use openssl::{
    asn1::Asn1Object,
    hash::{Hasher, MessageDigest},
    md::Md,
    nid::Nid,
    pkey::{Id, PKey, Public},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
    sign::{RsaPssSaltlen, Verifier},
};

use super::{
    element::{Element, INTEGER, SEQUENCE},
    fault::CmsFault,
};

/// A hash algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(Nid);

/// SHA-1 is accepted because a signature that was made when SHA-1 was in use is still evidence. MD5 is not.
const DIGESTS: [Nid; 8] =
    [Nid::SHA1, Nid::SHA224, Nid::SHA256, Nid::SHA384, Nid::SHA512, Nid::SHA3_256, Nid::SHA3_384, Nid::SHA3_512];

/// Named curves. Explicit parameters are rejected, because a forger can choose them.
const CURVES: [Nid; 6] = [
    Nid::X9_62_PRIME256V1,
    Nid::SECP384R1,
    Nid::SECP521R1,
    Nid::BRAINPOOL_P256R1,
    Nid::BRAINPOOL_P384R1,
    Nid::BRAINPOOL_P512R1,
];

/// Minimum size of an RSA key, in bits.
const MIN_RSA_BITS: u32 = 1_024;

const RSASSA_PSS: &str = "1.2.840.113549.1.1.10";
const EC_PUBLIC_KEY: &str = "1.2.840.10045.2.1";
const ED25519: &str = "1.3.101.112";
const MGF1: &str = "1.2.840.113549.1.1.8";

impl Digest {
    /// SHA-1.
    pub const SHA1: Self = Self(Nid::SHA1);
    /// SHA-256.
    pub const SHA256: Self = Self(Nid::SHA256);

    /// Reads an `AlgorithmIdentifier`.
    pub(super) fn read(identifier: &Element<'_>) -> Result<Self, CmsFault> {
        let name = identifier.must_be(SEQUENCE)?.children().next().ok_or(CmsFault::Malformed)??.object()?;
        Self::known(nid(&name))
    }

    fn known(nid: Option<Nid>) -> Result<Self, CmsFault> {
        nid.filter(|nid| DIGESTS.contains(nid)).map(Self).ok_or(CmsFault::DigestAlgorithm)
    }

    /// The hash of `bytes`.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub fn of(self, bytes: &[u8]) -> Result<Vec<u8>, CmsFault> {
        let mut digester = self.digester()?;
        digester.update(bytes)?;
        digester.finish()
    }

    /// Begins to hash.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub fn digester(self) -> Result<Digester, CmsFault> {
        let digest = MessageDigest::from_nid(self.0).ok_or(CmsFault::DigestAlgorithm)?;
        Ok(Digester(Hasher::new(digest)?))
    }
}

/// Hashes bytes piece by piece.
pub struct Digester(Hasher);

impl Digester {
    /// Adds a piece.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub fn update(&mut self, piece: &[u8]) -> Result<(), CmsFault> {
        Ok(self.0.update(piece)?)
    }

    /// The hash of all pieces.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub fn finish(mut self) -> Result<Vec<u8>, CmsFault> {
        Ok(self.0.finish()?.to_vec())
    }
}

/// A signature algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Pkcs1(Digest),
    Pss { digest: Digest, mask: Digest, salt: i32 },
    Ecdsa(Digest),
    Ed25519,
}

impl Algorithm {
    /// Reads an `AlgorithmIdentifier`. Some name only the kind of key; the hash algorithm is then `digest`.
    pub(super) fn read(identifier: &Element<'_>, digest: Digest) -> Result<Self, CmsFault> {
        let mut parts = identifier.must_be(SEQUENCE)?.children();
        let name = parts.next().ok_or(CmsFault::Malformed)??.object()?;
        match name.as_str() {
            RSASSA_PSS => return pss(&parts.expect(SEQUENCE)?),
            EC_PUBLIC_KEY => return Ok(Self::Ecdsa(digest)),
            ED25519 => return Ok(Self::Ed25519),
            _ => {}
        }
        let nid = nid(&name).ok_or(CmsFault::SignatureAlgorithm)?;
        if nid == Nid::RSAENCRYPTION {
            return Ok(Self::Pkcs1(digest));
        }
        let parts = nid.signature_algorithms().ok_or(CmsFault::SignatureAlgorithm)?;
        let digest = Digest::known(Some(parts.digest))?;
        match parts.pkey {
            Nid::RSAENCRYPTION => Ok(Self::Pkcs1(digest)),
            Nid::X9_62_ID_ECPUBLICKEY => Ok(Self::Ecdsa(digest)),
            _ => Err(CmsFault::SignatureAlgorithm),
        }
    }

    /// Verifies a signature over `message`.
    pub(super) fn verify(self, key: &PKey<Public>, message: Message<'_>, signature: &[u8]) -> Result<(), CmsFault> {
        self.check_key(key)?;
        let digest = match (self, message) {
            (Self::Ed25519, Message::Whole(message)) => {
                let is_valid = Verifier::new_without_digest(key)?.verify_oneshot(signature, message);
                return if is_valid.unwrap_or(false) { Ok(()) } else { Err(CmsFault::Signature) };
            }
            // Ed25519 doesn't sign a hash of the message.
            (Self::Ed25519, Message::Hashed(_)) => return Err(CmsFault::SignatureAlgorithm),
            (Self::Pkcs1(digest) | Self::Ecdsa(digest) | Self::Pss { digest, .. }, _) => digest,
        };
        let hash = match message {
            Message::Whole(message) => digest.of(message)?,
            Message::Hashed(hash) => hash.to_vec(),
        };
        let mut context = PkeyCtx::new(key)?;
        context.verify_init()?;
        match self {
            Self::Pkcs1(_) => context.set_rsa_padding(Padding::PKCS1)?,
            Self::Pss { mask, salt, .. } => {
                context.set_rsa_padding(Padding::PKCS1_PSS)?;
                context.set_rsa_pss_saltlen(RsaPssSaltlen::custom(salt))?;
                context.set_rsa_mgf1_md(Md::from_nid(mask.0).ok_or(CmsFault::DigestAlgorithm)?)?;
            }
            Self::Ecdsa(_) | Self::Ed25519 => {}
        }
        context.set_signature_md(Md::from_nid(digest.0).ok_or(CmsFault::DigestAlgorithm)?)?;
        // OpenSSL reports a malformed signature as an error.
        if context.verify(&hash, signature).unwrap_or(false) { Ok(()) } else { Err(CmsFault::Signature) }
    }

    /// Checks that a key is of this algorithm's kind, and neither weak nor costly.
    fn check_key(self, key: &PKey<Public>) -> Result<(), CmsFault> {
        match (self, key.id()) {
            (Self::Pkcs1(_), Id::RSA) | (Self::Pss { .. }, Id::RSA | Id::RSA_PSS) if key.bits() < MIN_RSA_BITS => {
                Err(CmsFault::KeyTooShort)
            }
            (Self::Pkcs1(_), Id::RSA) | (Self::Pss { .. }, Id::RSA | Id::RSA_PSS) | (Self::Ed25519, Id::ED25519) => {
                Ok(())
            }
            (Self::Ecdsa(_), Id::EC) => {
                let curve = key.ec_key()?.group().curve_name();
                if curve.is_some_and(|curve| CURVES.contains(&curve)) {
                    Ok(())
                } else {
                    Err(CmsFault::SignatureAlgorithm)
                }
            }
            _ => Err(CmsFault::SignatureAlgorithm),
        }
    }
}

/// What is signed.
#[derive(Clone, Copy)]
pub(super) enum Message<'m> {
    /// The message.
    Whole(&'m [u8]),
    /// The hash of a message that isn't in memory.
    Hashed(&'m [u8]),
}

/// Reads `RSASSA-PSS-params` (RFC 8017, appendix A.2.3). Absent parameters have defaults.
fn pss(parameters: &Element<'_>) -> Result<Algorithm, CmsFault> {
    let mut parts = parameters.children();
    let inner =
        |element: Element<'_>| element.children().next().ok_or(CmsFault::Malformed)?.map(|inner| inner.raw.to_vec());
    let (hash, mask, salt) = (parts.optional(0)?, parts.optional(1)?, parts.optional(2)?);
    let digest = match hash {
        Some(hash) => Digest::read(&Element::first(&inner(hash)?)?)?,
        None => Digest::SHA1,
    };
    let mask = match mask {
        Some(mask) => {
            let mask = inner(mask)?;
            let mut parts = Element::first(&mask)?.must_be(SEQUENCE)?.children();
            if parts.next().ok_or(CmsFault::Malformed)??.object()? != MGF1 {
                return Err(CmsFault::SignatureAlgorithm);
            }
            Digest::read(&parts.expect(SEQUENCE)?)?
        }
        None => Digest::SHA1,
    };
    let salt = match salt {
        Some(salt) => match salt.children().expect(INTEGER)?.content {
            [length] => i32::from(*length),
            [high, length] => i32::from(*high) << 8 | i32::from(*length),
            _ => return Err(CmsFault::Malformed),
        },
        None => 20,
    };
    Ok(Algorithm::Pss { digest, mask, salt })
}

/// OpenSSL's number of an object identifier in dotted form.
fn nid(name: &str) -> Option<Nid> {
    // `from_str` would also accept names.
    let is_dotted = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    Asn1Object::from_str(name).ok().filter(|_| is_dotted).map(|object| object.nid())
}
