#!/usr/bin/env python3
"""Compares Countersign's verdicts on PDFs with pyHanko's, over the files of folders that make.py has written.

    compare.py COUNTERSIGN FOLDER…

Both must agree on every signature: whether it is intact, its kind, what it covers, its certificate, its time-stamp,
long-term data, and whether it leads to the folder's root. Where they don't, DIFFERENCES says why. Prints a table, and
ends with exit code 1 if there is another difference, or if one of those is gone.
"""

import io
import json
import logging
import subprocess
import sys
from pathlib import Path

from pyhanko.keys import load_cert_from_pemder
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature, validate_pdf_timestamp
from pyhanko_certvalidator import ValidationContext

# Cases in which the two differ, with what pyHanko says, and why.
DIFFERENCES = {
    "pkcs7-sha1": ("none", "pyHanko doesn't support adbe.pkcs7.sha1 and passes over it"),
    "x509-rsa-sha1": ("none", "pyHanko passes over formats that it doesn't support; Countersign says so"),
    "unknown-format": ("none", "pyHanko passes over formats that it doesn't support; Countersign says so"),
    "two-signers": ("unreadable", "pyHanko reads none with two signers; Countersign says not supported"),
    "without-certificate": ("broken", "without a certificate nothing is known; Countersign says not supported"),
    "ranges-three-parts": ("broken", "three parts without a gap are all bytes; pyHanko reads only two parts"),
}

COVERAGE = {
    SignatureCoverageLevel.ENTIRE_FILE: "file",
    SignatureCoverageLevel.ENTIRE_REVISION: "revision",
    SignatureCoverageLevel.CONTIGUOUS_BLOCK_FROM_START: "gaps",
    SignatureCoverageLevel.UNCLEAR: "gaps",
}


def of_countersign(countersign: str, pdf: Path, root: Path) -> dict:
    """Countersign's verdict."""
    command = [countersign, "verify", "--pdf", str(pdf), "--roots", str(root), "--json"]
    found = json.loads(subprocess.run(command, capture_output=True, check=False).stdout)
    signatures = [
        {
            "intact": signature["verdict"] == "intact",
            "kind": signature["kind"],
            "covers": signature["covers"],
            "revision": signature.get("revision"),
            "certificate": signature.get("certificate"),
            "time-stamp": "timestamped_at" in signature,
            "long-term": signature["long_term"],
            "trusted": signature["chain"] == "trusted",
        }
        for signature in found["signatures"]
    ]
    return {"verdict": found["verdict"], "revisions": found["revisions"], "signatures": signatures}


def of_pyhanko(pdf: Path, root) -> dict:
    """pyHanko's verdict, in the same form."""
    reader = PdfFileReader(io.BytesIO(pdf.read_bytes()))
    if reader.encrypted:
        reader.decrypt("")
    try:
        found = [signature(reader, embedded, root) for embedded in reader.embedded_signatures]
    # What it can't parse, it reports by exceptions of several kinds.
    except Exception as error:  # pylint: disable=broad-except
        return {"verdict": "unreadable", "why": f"{type(error).__name__}: {error}"}
    verdict = "none" if not found else "intact" if all(each["intact"] for each in found) else "broken"
    return {"verdict": verdict, "revisions": reader.xrefs.total_revisions, "signatures": found}


def signature(reader: PdfFileReader, embedded, root) -> dict:
    """pyHanko's verdict on one signature."""
    is_time_stamp = embedded.sig_object_type == "/DocTimeStamp"
    # SHA-1 is accepted, and changes after signing aren't judged.
    context = lambda: ValidationContext(trust_roots=[root], allow_fetching=False, weak_hash_algos=set())
    try:
        if is_time_stamp:
            status = validate_pdf_timestamp(embedded, context(), skip_diff=True)
        else:
            status = validate_pdf_signature(embedded, context(), context(), skip_diff=True)
    except Exception as error:  # pylint: disable=broad-except
        return {"intact": False, "why": f"{type(error).__name__}: {error}"}
    time_stamp = None if is_time_stamp else status.timestamp_validity
    covers = COVERAGE[status.coverage]
    intact = status.intact and status.valid and covers != "gaps" and (time_stamp is None or time_stamp.intact)
    kind = "document_timestamp" if is_time_stamp else "approval"
    return {
        "intact": intact,
        "kind": "certification" if embedded.docmdp_level is not None else kind,
        "covers": covers,
        "revision": embedded.signed_revision + 1 if covers != "gaps" else None,
        "certificate": embedded.signer_cert.sha256.hex(),
        "time-stamp": is_time_stamp or time_stamp is not None,
        "long-term": "/DSS" in reader.root,
        "trusted": status.trusted,
    }


def differences(ours: dict, theirs: dict) -> list[str]:
    """What the two say differently."""
    found = [] if ours["verdict"] == theirs["verdict"] else ["verdict"]
    # pyHanko can't read what isn't a signature at all.
    if ours["verdict"] == "broken" and theirs["verdict"] == "unreadable":
        return []
    for our, their in zip(ours["signatures"], theirs.get("signatures", [])):
        # Of a broken signature, only that it is broken.
        keys = their.keys() if our["intact"] and their["intact"] else ["intact"]
        found += [key for key in keys if our[key] != their.get(key)]
    return found


def main(countersign: str, *folders: str) -> int:
    logging.disable(logging.CRITICAL)
    problems = 0
    for folder in map(Path, folders):
        root = load_cert_from_pemder(folder / "root.pem")
        for pdf in sorted(folder.glob("*.pdf")):
            ours = of_countersign(countersign, pdf, folder / "root.pem")
            theirs = of_pyhanko(pdf, root)
            found = differences(ours, theirs)
            expected, why = DIFFERENCES.get(pdf.stem, (None, ""))
            is_right = bool(found) and theirs["verdict"] == expected if expected else not found
            problems += not is_right
            remark = why if expected else ""
            remark = remark if is_right else f"WRONG: {found} {ours} {theirs}"
            print(f"{pdf.stem:28} {ours['verdict']:14} {theirs['verdict']:11} {remark}")
    print(f"{problems} differences that are not explained")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
