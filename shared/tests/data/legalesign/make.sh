#!/bin/sh
# Makes every file of this folder except README.md, messages/ and this script. Needs OpenSSL 3.0 or later.
# Keys and certificates that are there already are kept, and the signatures are deterministic, so that running it
# again changes nothing. See README.md for what each file is for.
set -eu
cd "$(dirname "$0")"
mkdir -p signatures
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# `openssl ca` is the command that takes any serial number and any dates. Without `x509_extensions` it writes X.509 v1.
# `nombstr` (no multi-byte strings) makes PrintableString, or T61String where a character such as `@` forbids that:
# the string types of the real certificate.
cat > "$work/openssl.cnf" <<CNF
[req]
distinguished_name = none
string_mask = nombstr
prompt = no
[none]
[ca]
default_ca = here
[here]
dir = $work
database = $work/index.txt
serial = $work/serial
new_certs_dir = $work
policy = any
preserve = yes
unique_subject = no
email_in_dn = yes
[any]
localityName = optional
organizationName = optional
commonName = optional
[v3]
basicConstraints = critical,CA:false
keyUsage = critical,digitalSignature
CNF
: > "$work/index.txt"

key() { # key FILE OPTIONS...
    file=$1; shift
    [ -e "$file" ] || openssl genpkey -out "$file" "$@" 2> "$work/log"
}

certificate() { # certificate OUT KEY SERIAL(hex) NOT_BEFORE NOT_AFTER DIGEST SUBJECT [extra options of `openssl ca`]
    out=$1; key=$2; serial=$3; from=$4; to=$5; digest=$6; subject=$7; shift 7
    [ -e "$out" ] && return
    openssl req -new -config "$work/openssl.cnf" -key "$key" -"$digest" -subj "$subject" -out "$work/request.pem"
    echo "$serial" > "$work/serial"
    openssl ca -batch -selfsign -config "$work/openssl.cnf" -keyfile "$key" -in "$work/request.pem" -notext \
        -startdate "$from" -enddate "$to" -md "$digest" -out "$out" "$@" 2> "$work/log" || { cat "$work/log" >&2; exit 1; }
}

sign() { # sign KEY MESSAGE OUT OPTIONS... : base64 on one line
    key=$1; message=$2; out=$3; shift 3
    openssl dgst -sign "$key" "$@" "$message" | openssl base64 -A > "$out"
}

# The lookalike, and the same key as a bare public key.
key THROWAWAY-TEST-KEY-rsa4096.pem -algorithm RSA -pkeyopt rsa_keygen_bits:4096
certificate lookalike.crt.pem THROWAWAY-TEST-KEY-rsa4096.pem 00 20130201162827Z 20330201162827Z sha1 \
    '/L=Edinburgh,Scotland,GB/O=TEST KEY, NOT REAL/CN=legalesign.com\/email@legalesign.com'
openssl pkey -in THROWAWAY-TEST-KEY-rsa4096.pem -pubout -out lookalike.pub.pem

# A second key, with two certificates whose validity periods don't overlap. The later one has no end (RFC 5280, 4.1.2.5).
key THROWAWAY-TEST-KEY-rsa2048.pem -algorithm RSA -pkeyopt rsa_keygen_bits:2048
certificate other-expired.crt.pem THROWAWAY-TEST-KEY-rsa2048.pem 01 20150101000000Z 20160101000000Z sha1 \
    '/O=TEST KEY, NOT REAL/CN=expired'
certificate other-v3.crt.pem THROWAWAY-TEST-KEY-rsa2048.pem 1234 20200101000000Z 99991231235959Z sha256 \
    '/O=TEST KEY, NOT REAL/CN=v3 without an end' -extensions v3

# Keys that must be rejected. Nothing is signed with them.
key "$work/rsa1024.pem" -algorithm RSA -pkeyopt rsa_keygen_bits:1024
certificate rsa1024.crt.pem "$work/rsa1024.pem" 02 20130201162827Z 20330201162827Z sha1 '/O=TEST KEY, NOT REAL/CN=short'
key "$work/ec.pem" -algorithm EC -pkeyopt ec_paramgen_curve:P-256
certificate ec.crt.pem "$work/ec.pem" 03 20130201162827Z 20330201162827Z sha256 '/O=TEST KEY, NOT REAL/CN=elliptic'
key "$work/pss.pem" -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:2048
[ -e rsa-pss.pub.pem ] || openssl pkey -in "$work/pss.pem" -pubout -out rsa-pss.pub.pem

# Signatures like Legalesign's, and similar ones that must be rejected.
: > "$work/empty"
sign THROWAWAY-TEST-KEY-rsa4096.pem messages/batch.json  signatures/batch.rsa4096.b64  -sha1
sign THROWAWAY-TEST-KEY-rsa2048.pem messages/batch.json  signatures/batch.rsa2048.b64  -sha1
sign THROWAWAY-TEST-KEY-rsa4096.pem messages/realtime.json signatures/realtime.rsa4096.b64 -sha1
sign THROWAWAY-TEST-KEY-rsa4096.pem messages/latin1.json signatures/latin1.rsa4096.b64 -sha1
sign THROWAWAY-TEST-KEY-rsa4096.pem "$work/empty"        signatures/empty.rsa4096.b64  -sha1
sign THROWAWAY-TEST-KEY-rsa4096.pem messages/batch.json  signatures/batch.sha256.b64   -sha256
[ -e signatures/batch.pss.b64 ] || \
    sign THROWAWAY-TEST-KEY-rsa4096.pem messages/batch.json signatures/batch.pss.b64 -sha1 -sigopt rsa_padding_mode:pss
