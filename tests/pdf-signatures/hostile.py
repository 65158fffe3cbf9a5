"""PDFs whose signatures are broken, odd, or made to mislead.

Where a case is about the ranges, the signature over exactly these ranges is valid: only the ranges themselves are wrong.
"""

import asyncio
import hashlib
import re

from asn1crypto import cms, core
from cryptography import x509 as pyca_x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import pkcs7

# With the room that pyHanko leaves after it.
BYTE_RANGE = re.compile(rb"/ByteRange \[([^\]]*)\] *")


class Parts:
    """Where things are in a PDF with one signature."""

    def __init__(self, pdf: bytes):
        self.pdf = pdf
        self.range = BYTE_RANGE.search(pdf)
        _, self.before, self.after, self.rest = map(int, self.range[1].split())
        # The hexadecimal digits, without the angle brackets.
        self.hex = slice(self.before + 1, self.after - 1)

    def cms(self) -> bytes:
        """The signature without its padding."""
        return cms.ContentInfo.load(bytes.fromhex(self.pdf[self.hex].decode())).dump()

    def with_cms(self, der: bytes) -> bytes:
        """The same PDF with another signature."""
        room = self.hex.stop - self.hex.start
        digits = der.hex().encode().ljust(room, b"0")
        assert len(digits) == room, "the signature is too long"
        return self.pdf[: self.hex.start] + digits + self.pdf[self.hex.stop :]

    def with_ranges(self, ranges: list[int], signer) -> bytes:
        """The same PDF with other ranges, signed over exactly these."""
        text = b"/ByteRange [" + b" ".join(b"%d" % number for number in ranges) + b"]"
        room = len(self.range[0])
        assert len(text) <= room, "the ranges are too long"
        self = Parts(self.pdf)
        self.pdf = self.pdf[: self.range.start()] + text.ljust(room) + self.pdf[self.range.end() :]
        covered = b"".join(self.pdf[start : start + size] for start, size in zip(ranges[::2], ranges[1::2]))
        return self.with_cms(asyncio.run(signer.async_sign(hashlib.sha256(covered).digest(), "sha256")).dump())

    def covered(self) -> bytes:
        """The bytes that are signed."""
        return self.pdf[: self.before] + self.pdf[self.after :]


def renamed(pdf: bytes, sub_filter: bytes) -> bytes:
    """The PDF with another name of its signature's format, which isn't longer."""
    old = b"/adbe.pkcs7.detached"
    return pdf.replace(old, sub_filter.ljust(len(old)))


def ranges(parts: Parts, signer) -> dict[str, bytes]:
    before, after, rest = parts.before, parts.after, parts.rest
    wrong = {
        "overlap": [0, before, 10, 50],
        "backwards": [after, rest, 0, before],
        "leave-out-before": [0, before - 60, after, rest],
        "leave-out-after": [0, before, after + 40, rest - 40],
        "leave-out-start": [9, before - 9, after, rest],
        "end-early": [0, before, after, rest - 30],
        "beyond-the-end": [0, before, after, rest + 999],
        "one-part": [0, before],
        "odd": [0, before, after],
        "three-parts": [0, 9, 9, before - 9, after, rest],
        "negative": [0, before, -1, rest],
    }
    return {f"ranges-{name}": parts.with_ranges(numbers, signer) for name, numbers in wrong.items()}


def pkcs7_sha1(pdf: bytes, signer) -> bytes:
    """adbe.pkcs7.sha1: the signed content is the SHA-1 of the ranges, and is in the signature."""
    parts = Parts(renamed(pdf, b"/adbe.pkcs7.sha1"))
    digest = hashlib.sha1(parts.covered()).digest()
    return parts.with_cms(asyncio.run(signer.async_sign_general_data(digest, "sha1", detached=False)).dump())


def without_attributes(parts: Parts, signer) -> bytes:
    """A signature over the bytes themselves, without signed attributes, as OpenSSL makes with CMS_NOATTR."""
    key = serialization.load_der_private_key(signer.signing_key.dump(), None)
    certificate = pyca_x509.load_der_x509_certificate(signer.signing_cert.dump())
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.NoAttributes, pkcs7.PKCS7Options.Binary]
    builder = pkcs7.PKCS7SignatureBuilder().set_data(parts.covered()).add_signer(certificate, key, hashes.SHA256())
    return parts.with_cms(builder.sign(serialization.Encoding.DER, options))


def indefinite(der: bytes) -> bytes:
    """BER with indefinite lengths in its outer parts, as BouncyCastle and so many Java programs write."""
    info = cms.ContentInfo.load(der)
    return b"\x30\x80" + info["content_type"].dump() + b"\xa0\x80\x30\x80" + info["content"].contents + b"\0\0" * 3


def other_certificate(parts: Parts, keys) -> bytes:
    """The signer's certificate is replaced by another one for the same key, with the same issuer and serial number."""
    info = cms.ContentInfo.load(parts.cms())
    twin = keys.twin(info["content"]["signer_infos"][0]["sid"].chosen["serial_number"].native)
    certificates = info["content"]["certificates"]
    kept = [choice.chosen for choice in certificates if choice.chosen.subject.native["common_name"] == "Test root"]
    choices = [cms.CertificateChoices("certificate", certificate) for certificate in [twin, *kept]]
    info["content"]["certificates"] = cms.CertificateSet(choices)
    return parts.with_cms(info.dump())


def signer_info(info: cms.ContentInfo) -> cms.SignerInfo:
    return info["content"]["signer_infos"][0]


def other_time_stamp(timestamped: bytes, keys) -> bytes:
    """The time-stamp belongs to another signature."""
    parts = Parts(timestamped)
    info = cms.ContentInfo.load(parts.cms())
    digest = hashlib.sha256(b"another signature").digest()
    token = asyncio.run(keys.timestamper.async_timestamp(digest, "sha256"))
    attribute = cms.CMSAttribute({"type": "signature_time_stamp_token", "values": [token]})
    signer_info(info)["unsigned_attrs"] = cms.CMSAttributes([attribute])
    return parts.with_cms(info.dump())


def without_certificate(parts: Parts) -> bytes:
    info = cms.ContentInfo.load(parts.cms())
    info["content"]["certificates"] = cms.CertificateSet([])
    return parts.with_cms(info.dump())


def two_signers(parts: Parts) -> bytes:
    info = cms.ContentInfo.load(parts.cms())
    info["content"]["signer_infos"] = cms.SignerInfos([signer_info(info), signer_info(info).copy()])
    return parts.with_cms(info.dump())


def other_signature(parts: Parts) -> bytes:
    info = cms.ContentInfo.load(parts.cms())
    value = bytearray(signer_info(info)["signature"].native)
    value[-1] ^= 1
    signer_info(info)["signature"] = core.OctetString(bytes(value))
    return parts.with_cms(info.dump())


def cases(rsa: bytes, timestamped: bytes, keys) -> dict[str, bytes]:
    parts = Parts(rsa)
    made = ranges(parts, keys.rsa)
    made |= {
        "bytes-changed": rsa.replace(b"/MediaBox [ 0 0 200 100 ]", b"/MediaBox [ 0 0 200 101 ]", 1),
        "bytes-changed-timestamped": timestamped.replace(b"/MediaBox [ 0 0 200 100 ]", b"/MediaBox [ 0 0 200 101 ]", 1),
        "signature-changed": other_signature(parts),
        "other-certificate": other_certificate(parts, keys),
        "other-time-stamp": other_time_stamp(timestamped, keys),
        "without-certificate": without_certificate(parts),
        "two-signers": two_signers(parts),
        "garbage": parts.with_cms(b"This is not a signature."),
        "empty-contents": parts.with_cms(b""),
        "padded": rsa + b"\n\n\0\0\0",
        "indefinite-lengths": parts.with_cms(indefinite(parts.cms())),
        "without-attributes": without_attributes(parts, keys.rsa),
        "pkcs7-sha1": pkcs7_sha1(rsa, keys.rsa),
        "x509-rsa-sha1": renamed(rsa, b"/adbe.x509.rsa_sha1"),
        "unknown-format": renamed(rsa, b"/Example.Format"),
    }
    assert made["bytes-changed"] != rsa and made["bytes-changed-timestamped"] != timestamped
    return made
