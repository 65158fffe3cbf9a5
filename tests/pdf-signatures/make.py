#!/usr/bin/env python3
"""Makes PDFs with signatures of every kind that Countersign reads, with pyHanko and throw-away keys.

    make.py FOLDER      writes <name>.pdf for every case, and root.pem, the root of all certificates in them

The files of `files/` were made by it. Keys and times are new in each run, so that .ci/full compares Countersign with
pyHanko on other bytes, too.
"""

import io
import sys
from pathlib import Path

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.pdf_utils.writer import copy_into_new_writer
from pyhanko.sign import fields
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfSigner, PdfSignatureMetadata, PdfTimeStamper
from pyhanko_certvalidator import ValidationContext

import hostile
from keys import Keys
from paper import paper

CADES = SigSeedSubFilter.PADES
# Room for a signature, in hexadecimal digits.
RESERVED = 8_000


def sign(pdf: bytes, signer, field="Signature1", timestamper=None, **metadata) -> bytes:
    """Appends a revision with a signature."""
    metadata = PdfSignatureMetadata(field_name=field, **{"md_algorithm": "sha256", **metadata})
    pdf_signer = PdfSigner(metadata, signer, timestamper=timestamper)
    out = io.BytesIO()
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    pdf_signer.sign_pdf(writer, output=out, bytes_reserved=None if timestamper else RESERVED)
    return out.getvalue()


def update(pdf: bytes) -> bytes:
    """Appends a revision without a signature: a new title."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    title = {generic.pdf_name("/Title"): generic.pdf_string("Changed later")}
    writer.set_info(writer.add_object(generic.DictionaryObject(title)))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def with_empty_field(pdf: bytes) -> bytes:
    """Appends a revision with a signature field that nobody has signed."""
    writer = IncrementalPdfFileWriter(io.BytesIO(pdf), strict=False)
    fields.append_signature_field(writer, SigFieldSpec("Signature1"))
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def encrypted(pdf: bytes, keys: Keys) -> bytes:
    """The PDF, encrypted for anybody to open, and then signed."""
    writer = copy_into_new_writer(PdfFileReader(io.BytesIO(pdf)))
    writer.encrypt(owner_pass="owner", user_pass="")
    out = io.BytesIO()
    writer.write(out)
    update = IncrementalPdfFileWriter(io.BytesIO(out.getvalue()), strict=False)
    update.encrypt("")
    signed = io.BytesIO()
    PdfSigner(PdfSignatureMetadata(field_name="Signature1", md_algorithm="sha256"), keys.rsa).sign_pdf(
        update, output=signed, bytes_reserved=RESERVED
    )
    return signed.getvalue()


def cases(keys: Keys) -> dict[str, bytes]:
    """Every case by its name."""
    plain = paper()
    roots = ValidationContext(trust_roots=[keys.root], allow_fetching=False, revocation_mode="soft-fail")
    long_term = {
        "subfilter": CADES,
        "embed_validation_info": True,
        "validation_context": roots,
        "use_pades_lta": True,
    }
    rsa = sign(plain, keys.rsa)
    certified = sign(plain, keys.rsa, certify=True, docmdp_permissions=MDPPerm.FILL_FORMS)
    timestamped = sign(plain, keys.ec256, subfilter=CADES, timestamper=keys.timestamper)
    document_timestamp = io.BytesIO()
    PdfTimeStamper(keys.timestamper).timestamp_pdf(
        IncrementalPdfFileWriter(io.BytesIO(plain)), "sha256", output=document_timestamp
    )
    made = {
        "unsigned": plain,
        "empty-field": with_empty_field(plain),
        # Keys and digests.
        "rsa": rsa,
        "rsa-sha512": sign(plain, keys.rsa, md_algorithm="sha512"),
        "rsa-pss": sign(plain, keys.rsa_pss, md_algorithm="sha384"),
        "rsa-sha1": sign(plain, keys.rsa, md_algorithm="sha1"),
        "ecdsa-p256": sign(plain, keys.ec256),
        "ecdsa-p384": sign(plain, keys.ec384, md_algorithm="sha384"),
        "ecdsa-p521": sign(plain, keys.ec521, md_algorithm="sha512"),
        "ed25519": sign(plain, keys.ed25519, md_algorithm="sha512"),
        "self-signed": sign(plain, keys.stranger),
        # Profiles.
        "pades-b": sign(plain, keys.ec256, subfilter=CADES),
        "pades-t": timestamped,
        "pades-lta": sign(plain, keys.rsa, timestamper=keys.timestamper, **long_term),
        "document-timestamp": document_timestamp.getvalue(),
        "certified": certified,
        # Several revisions.
        "two-signatures": sign(rsa, keys.ec256, field="Signature2", subfilter=CADES),
        "certified-then-approved": sign(certified, keys.ec256, field="Signature2"),
        "updated-after-signing": update(rsa),
        "signed-after-update": sign(update(plain), keys.rsa),
        "cross-reference-streams": sign(paper(with_streams=True), keys.rsa),
        "encrypted": encrypted(plain, keys),
    }
    made |= hostile.cases(rsa, timestamped, keys)
    return made


def main(folder: str) -> None:
    keys = Keys()
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / "root.pem").write_bytes(keys.root_pem)
    for name, pdf in cases(keys).items():
        (target / f"{name}.pdf").write_bytes(pdf)


if __name__ == "__main__":
    main(*sys.argv[1:])
