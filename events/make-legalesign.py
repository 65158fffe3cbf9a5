#!/usr/bin/env python3
"""Generates events/v1-batch/*.json, events/v1-realtime/*.json and their part of events/env.json.

Each file is the event with which API Gateway invokes the function when Legalesign posts one of its documented examples.
They are signed with a throw-away key that is generated here. Its certificate goes into env.json and is built like
Legalesign's: X.509 v1, serial 0, a T61String, SHA-1, RSA-4096, valid 2013 to 2033. Running this again therefore changes
every signature. Needs Python 3.10 and OpenSSL 3.
"""

import base64
import json
import pathlib
import subprocess
import tempfile
import urllib.parse

HERE = pathlib.Path(__file__).parent
TOKEN = "local-path-token"
HOST = "abc123.execute-api.eu-west-1.amazonaws.com"
FORM = "application/x-www-form-urlencoded"

# Ids in place of the documentation's [doc-id] and [signer-id].
DOCUMENT = "7f0c2b6e-54d1-4a53-8d3c-2f6f1c0a9e11"
SENT_DOCUMENT = "0d9a6f52-3b7c-4e0e-9a41-6b1d2c7e8f22"
REJECTED_DOCUMENT = "c4e8d1a7-9b20-4f6d-b1c5-7a3e5d9f0b33"
SIGNER = "5b1e7d90-2c48-4b6f-a7e3-1d8c9f0a2b44"
OTHER_SIGNER = "e2a4c6b8-0d1f-4a3b-8c5d-7e9f1a2b3c55"

OPENSSL = """
[req]
distinguished_name = none
string_mask = nombstr
prompt = no
[none]
[ca]
default_ca = here
[here]
database = index
serial = serial
new_certs_dir = .
policy = any
preserve = yes
email_in_dn = yes
[any]
localityName = optional
organizationName = optional
commonName = optional
"""


class Key:
    """A throw-away key and its self-signed certificate, in files of a temporary folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        (self.folder / "openssl.cnf").write_text(OPENSSL)
        (self.folder / "index").write_text("")
        (self.folder / "serial").write_text("00\n")
        self.run("genpkey", "-out", "key", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096")
        subject = "/L=Edinburgh,Scotland,GB/O=TEST KEY, NOT REAL/CN=legalesign.com\\/email@legalesign.com"
        self.run("req", "-new", "-config", "openssl.cnf", "-key", "key", "-sha1", "-subj", subject, "-out", "request")
        self.run("ca", "-batch", "-selfsign", "-config", "openssl.cnf", "-keyfile", "key", "-in", "request",
                 "-notext", "-startdate", "20130201162827Z", "-enddate", "20330201162827Z", "-md", "sha1",
                 "-out", "certificate")
        self.certificate = (self.folder / "certificate").read_text()

    def run(self, *arguments, **options):
        return subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, **options).stdout

    def sign(self, message):
        return base64.b64encode(self.run("dgst", "-sha1", "-sign", "key", input=message)).decode()


def event(function, content_type, body, query="", headers=()):
    """API Gateway's event for a POST to a function. Forms are encoded as base64, as API Gateway does it."""
    kind = function.removeprefix("v1-")
    path = f"/callbacks/legalesign/{kind}/{TOKEN}"
    route = f"POST /callbacks/legalesign/{kind}/{{token}}"
    is_text = content_type == "application/json"
    all_headers = {
        "content-length": str(len(body)),
        "content-type": content_type,
        "host": HOST,
        "x-forwarded-for": "203.0.113.10",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
        **dict(headers),
    }
    result = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": query,
        "headers": dict(sorted(all_headers.items())),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": HOST,
            "domainPrefix": "abc123",
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.10",
                "userAgent": "",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "time": "22/Nov/2026:02:16:32 +0000",
            "timeEpoch": 1795313792000,
        },
        "pathParameters": {"token": TOKEN},
        "body": body.decode() if is_text else base64.b64encode(body).decode(),
        "isBase64Encoded": not is_text,
    }
    if query:
        result["queryStringParameters"] = dict(urllib.parse.parse_qsl(query))
    return result


def form(fields):
    return urllib.parse.urlencode(fields).encode()


def multipart(fields):
    boundary = "----CountersignExample"
    parts = [f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    return f"multipart/form-data; boundary={boundary}", "".join([*parts, f"--{boundary}--\r\n"]).encode()


def entry(kind, identifier, value, time, name="status"):
    uri = f"/api/v1/{kind}/{identifier}/"
    return {"timestamp": time, "name": name, "value": value, "resource_uri": uri}


# From "Callbacks on the API v.1": a signer signs, which completes the document.
COMPLETED = [
    entry("signer", SIGNER, "40", "2018-03-20T07:09:52"),
    entry("document", DOCUMENT, "30", "2018-03-20T07:09:52"),
]


def batches(key):
    def post(data, fields=None, content_type=FORM):
        text = data if isinstance(data, str) else json.dumps(data)
        signed = key.sign(text.encode())
        return event("v1-batch", content_type, form(fields(text, signed) if fields else [("data", text), ("signed", signed)]))

    codes = [("document", SENT_DOCUMENT, code) for code in (10, 20)]
    codes += [("signer", OTHER_SIGNER, code) for code in (4, 5, 10, 15, 20, 30, 35, 39, 40, 50)]
    codes += [("document", SENT_DOCUMENT, 30), ("document", REJECTED_DOCUMENT, 10), ("signer", SIGNER, 60),
              ("document", REJECTED_DOCUMENT, 50)]
    every_code = [entry(kind, identifier, str(code), f"2018-03-20T07:{10 + minute}:00")
                  for minute, (kind, identifier, code) in enumerate(codes)]
    yield "signed_and_completed", post(COMPLETED)
    # From "Legacy webhooks", where the value comes first and a signer is scheduled.
    yield "other_key_order", post([
        {"value": "5", "timestamp": "2018-03-20T07:08:01", "resource_uri": f"/api/v1/signer/{SIGNER}/", "name": "status"},
        {"value": "10", "timestamp": "2018-03-20T07:08:02", "resource_uri": f"/api/v1/signer/{SIGNER}/", "name": "status"},
    ])
    yield "every_status", post(every_code)
    yield "numbers_and_unpadded_times", post([
        entry("signer", SIGNER, 40, "2018-3-20T7:9:52"), entry("document", DOCUMENT, 30, "2018-3-20T7:9:52")])
    yield "utf8_and_an_unknown_name", post(
        '[{"timestamp": "2018-03-20T07:09:53", "name": "tag é € & + %", "value": "für später", '
        f'"resource_uri": "/api/v1/document/{DOCUMENT}/"}}]')
    # Large enough that the body goes to S3, and that the events are written in several parallel requests.
    yield "a_hundred_entries", post([entry("signer", f"{SIGNER}-{number}", "10", "2018-03-20T07:09:52")
                                     for number in range(100)])
    yield "empty", post([])
    text = json.dumps(COMPLETED)
    content_type, body = multipart([("signed", key.sign(text.encode())), ("data", text)])
    yield "multipart", event("v1-batch", content_type, body)
    wrapped = lambda signed: "\n".join(signed[at:at + 76] for at in range(0, len(signed), 76)).replace("+", " ")
    yield "wrapped_signature", post(COMPLETED, lambda text, signed: [("signed", wrapped(signed)), ("data", text)])
    yield "one_entry_unreadable", post([COMPLETED[0], {"timestamp": "2018-03-20T07:09:52"}, COMPLETED[1]])
    yield "not_an_array", post({"status": 30})
    yield "wrong_signature", post(COMPLETED, lambda text, signed: [("data", text.replace("40", "60")), ("signed", signed)])
    yield "without_signature", post(COMPLETED, lambda text, signed: [("data", text)])


def realtime(key):
    def fields(identifier, name="Employment agreement"):
        return [("resource_uri", f"/api/v1/document/{identifier}/"), ("group", "/api/v1/group/your-group/"),
                ("name", name), ("uuid", identifier)]

    def post(identifier, query=""):
        return event("v1-realtime", FORM, form(fields(identifier)), query)

    def signed(identifier, query, change=lambda text: text):
        text = json.dumps(dict(fields(identifier)))
        headers = [("x-signed", key.sign(text.encode()))]
        # The fields beside json_signed aren't signed and must be ignored: here they name another document.
        beside = fields("not-believed", "Not believed")
        return event("v1-realtime", FORM, form([*beside, ("json_signed", change(text))]), query, headers)

    def webhook(name, data, prefix=True):
        kind = "recipient" if "email" in data else "document"
        body = {"version": "1", "id": f"evt-{kind}-{name}", "object": kind,
                "event": f"{kind}.{name}" if prefix else name, "created": 1795313792, "data": data}
        headers = [("x-hmac-sha256", "0" * 64), ("x-signed-sha256", "not-checked")]
        return event("v1-realtime", "application/json", json.dumps(body).encode(), headers=headers)

    def document(identifier, status, text):
        recipients = [{"uuid": SIGNER, "email": "signer@example.com", "order": 0, "status": 40, "statusText": "Signed",
                       "firstname": "A", "lastname": "Signer", "roleText": "signer",
                       "resourceUri": f"/api/v1/signer/{SIGNER}/", "rejectReason": ""}]
        return {"uuid": identifier, "name": "Employment agreement", "group": "Your group",
                "groupResourceUri": "/api/v1/group/your-group/", "resourceUri": f"/api/v1/document/{identifier}/",
                "status": status, "statusText": text, "tag": "", "tag1": "", "tag2": "", "recipients": recipients}

    def recipient(status, text, **more):
        return {"uuid": SIGNER, "email": "signer@example.com", "firstname": "A", "lastname": "Signer", "order": 0,
                "status": status, "statusText": text, "roleText": "signer", "emailBounce": 0, "emailBounceMessage": "",
                "rejectReason": "", "document": DOCUMENT, "documentName": "Employment agreement",
                "documentResourceUri": f"/api/v1/document/{DOCUMENT}/", "group": "Your group",
                "groupResourceUri": "/api/v1/group/your-group/", "resourceUri": f"/api/v1/signer/{SIGNER}/",
                "tag": "", "tag1": "", "tag2": "", **more}

    yield "form_sent", post(SENT_DOCUMENT, "event=sent")
    yield "form_signed", post(DOCUMENT, "event=signed")
    yield "form_rejected", post(REJECTED_DOCUMENT, "event=rejected")
    yield "form_without_event", post(DOCUMENT)
    yield "signed_form_sent", signed(SENT_DOCUMENT, "event=sent")
    yield "signed_form_signed", signed(DOCUMENT, "event=signed")
    yield "signed_form_rejected", signed(REJECTED_DOCUMENT, "event=rejected")
    yield "signed_form_wrong_signature", signed(DOCUMENT, "event=signed", lambda text: text + " ")
    yield "webhook_document_created", webhook("created", document(SENT_DOCUMENT, 10, "Sent"))
    # Large enough that the body goes to S3.
    many = document(SENT_DOCUMENT, 10, "Sent")
    many["recipients"] *= 40
    yield "webhook_forty_recipients", webhook("created", many)
    yield "webhook_document_rejected", webhook("rejected", document(REJECTED_DOCUMENT, 50, "Rejected"))
    yield "webhook_document_finalPdfCreated", webhook("finalPdfCreated", document(DOCUMENT, 30, "Signed"))
    yield "webhook_bare_finalPdfCreated", webhook("finalPdfCreated", document(DOCUMENT, 30, "Signed"), prefix=False)
    yield "webhook_recipient_completed", webhook("completed", recipient(40, "Signed"))
    yield "webhook_recipient_rejected", webhook("rejected", recipient(60, "Rejected", rejectReason="Not as agreed"))
    yield "webhook_recipient_emailOpened", webhook("emailOpened", recipient(15, "Email opened"))
    yield "webhook_recipient_visiting", webhook("visiting", recipient(20, "Visited"))
    yield "webhook_recipient_bounced", webhook("bounced", recipient(10, "Sent", emailBounce=1, emailBounceMessage="No such user"))
    yield "webhook_unreadable", event("v1-realtime", "application/json", b'{"version": "1", "event": "finalPdfCreated"}')


def main():
    with tempfile.TemporaryDirectory() as folder:
        key = Key(folder)
        for function, cases in (("v1-batch", batches), ("v1-realtime", realtime)):
            target = HERE / function
            target.mkdir(exist_ok=True)
            for old in target.glob("*.json"):
                old.unlink()
            for name, case in cases(key):
                (target / f"{name}.json").write_text(json.dumps(case, indent=2, ensure_ascii=False) + "\n")
    proof = json.dumps({"url_tokens": [TOKEN], "certificates": [key.certificate]})
    env_file = HERE / "env.json"
    env = json.loads(env_file.read_text()) if env_file.exists() else {}
    for function in ("V1Batch", "V1Realtime"):
        env[function] = {"LEGALESIGN_PROOF": proof}
    env_file.write_text(json.dumps(env, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
