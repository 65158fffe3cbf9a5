#!/usr/bin/env python3
"""Cuts NIST's SigVer15 vectors down to those with SHA-1 and a modulus of at least 2,048 bits.

    pip download --no-deps cryptography-vectors==50.0.2 && unzip cryptography_vectors-*.whl
    ./extract.py cryptography_vectors/asymmetric/RSA

Private values (p, q, d), salts, notes about the padding and leading zeros of e are left out; nothing else is changed.
"""
import pathlib
import re
import sys

SOURCES = {"SigVer15_186-3.rsp": "FIPS_186-2/SigVer15_186-3.rsp", "SigVer15EMTest.rsp": "SigVer15EMTest.txt"}

for target, source in SOURCES.items():
    lines = (pathlib.Path(sys.argv[1]) / source).read_text().splitlines()
    out = [line.rstrip() for line in lines if line.startswith("#")]
    out.append("# Only SHA1 and mod >= 2048, without p, q, d: see extract.py.")
    modulus, wanted, case = 0, None, {}
    for line in lines:
        if match := re.fullmatch(r"\[mod = (\d+)\]", line.strip()):
            modulus = int(match[1])
        elif match := re.fullmatch(r"(n|SHAAlg|e|Msg|S|Result) = ?(.*)", line.strip()):
            name, value = match[1], match[2].strip()
            case[name] = value
            if name == "n":
                wanted = ["", f"n = {value}"]
            elif name == "Result" and modulus >= 2048 and case["SHAAlg"] == "SHA1":
                out += wanted
                wanted = []
                out += ["", f"e = {case['e'].lstrip('0')}", f"Msg = {case['Msg']}", f"S = {case['S']}", f"Result = {value}"]
    pathlib.Path(target).write_text("\n".join(out) + "\n")
