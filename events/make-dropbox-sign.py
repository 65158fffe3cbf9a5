#!/usr/bin/env python3
"""Makes the events of Dropbox Sign's callbacks in events/dropbox-sign-callback.

    python3 events/make-dropbox-sign.py

The bodies are those of the vendor's examples (examples/json/EventCallback*.json in github.com/hellosign/hellosign-openapi,
Apache-2.0), with other names and ids. The hashes are computed with the API key of the vendor's own tests, which is public
and also in events/env.json.
"""

import base64
import hashlib
import hmac
import json
import pathlib

FOLDER = pathlib.Path(__file__).parent / "dropbox-sign-callback"
KEY = "324e3b0840f065eb51f3fd63231d0d33daa35d4ed10d27718839e81737065782"
ACCOUNT = "63522885f9261e2b04eea043933ee7313eb674fd"
APP = "98891a1b59f312d04cd88e4e0c498d75e0ce0ce0"
REQUEST = "fa5c8a0b0f492d768749333ad6fcc214c111e967"
DECLINED = "d10338cad145e1cb68afc828000000000000dec1"
BOUNDARY = "------------------------d74496d66958873e"
PATH = "/callbacks/dropbox-sign/local-path-token"


def signature(number, name, status, time):
    address = f"{name.split()[0].lower()}@example.com"
    return {
        "signature_id": f"78caf2a1d01cd39cea2bc1cbb340dac{number}",
        "signer_email_address": address,
        "signer_name": name,
        "signer_role": None,
        "order": number,
        "status_code": status,
        "signed_at": time if status == "signed" else None,
        "last_viewed_at": time - 60,
        "last_reminded_at": None,
        "has_pin": False,
        "has_sms_auth": False,
    }


def request(identifier, time, statuses, **changes):
    signers = zip(("John Example", "Jane Example"), statuses)
    return {
        "signature_request_id": identifier,
        "title": "Purchase Agreement",
        "original_title": "Purchase Agreement",
        "subject": "Purchase Agreement we talked about",
        "message": "Please sign and return.",
        "metadata": {},
        "created_at": 1764547200,
        "is_complete": False,
        "is_declined": False,
        "has_error": False,
        "custom_fields": [],
        "response_data": [],
        "signing_url": None,
        "signing_redirect_url": None,
        "files_url": f"https://api.hellosign.com/v3/signature_request/files/{identifier}",
        "details_url": f"https://app.hellosign.com/home/manage?guid={identifier}",
        "requester_email_address": "me@example.com",
        "signatures": [signature(number, name, status, time) for number, (name, status) in enumerate(signers)],
        "cc_email_addresses": [],
        "template_ids": None,
        "client_id": None,
        **changes,
    }


def callback(event, time, attached=None, signer=None, app=None, message=None):
    code = hmac.new(KEY.encode(), f"{time}{event}".encode(), hashlib.sha256).hexdigest()
    metadata = {
        "related_signature_id": signer,
        "reported_for_account_id": None if app else ACCOUNT,
        "reported_for_app_id": app,
        "event_message": message,
    }
    body = {"event_time": str(time), "event_type": event, "event_hash": code, "event_metadata": metadata}
    return {"account_guid": ACCOUNT, "event": body, **(attached or {})}


def form(fields):
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    return "".join(parts) + f"--{BOUNDARY}--\r\n"


def write(case, fields):
    body = form(fields)
    route = "POST /callbacks/dropbox-sign/{token}"
    event = {
        "version": "2.0",
        "routeKey": route,
        "rawPath": PATH,
        "rawQueryString": "",
        "headers": {
            "content-length": str(len(body.encode())),
            "content-type": f"multipart/form-data; boundary={BOUNDARY}",
            "host": "abc123.execute-api.eu-west-1.amazonaws.com",
            "user-agent": "HelloSign API",
            "x-forwarded-for": "203.0.113.40",
            "x-forwarded-port": "443",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "abc123.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "abc123",
            "http": {"method": "POST", "path": PATH, "protocol": "HTTP/1.1", "sourceIp": "203.0.113.40"},
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": route,
            "stage": "$default",
            "time": "22/Nov/2026:02:16:32 +0000",
            "timeEpoch": 1795313792000,
        },
        "pathParameters": {"token": "local-path-token"},
        "body": base64.b64encode(body.encode()).decode(),
        "isBase64Encoded": True,
    }
    (FOLDER / f"{case}.json").write_text(json.dumps(event, indent=2) + "\n")


def main():
    FOLDER.mkdir(exist_ok=True)
    awaiting, signed = "awaiting_signature", "signed"
    time = 1764547260

    def of(identifier, statuses, at, **changes):
        return {"signature_request": request(identifier, at, statuses, **changes)}

    first = "78caf2a1d01cd39cea2bc1cbb340dac0"
    cases = {
        "callback_test": callback("callback_test", time),
        "callback_test_of_an_app": callback("callback_test", time + 1, app=APP),
        "account_confirmed": callback("account_confirmed", time, {"account": {"account_id": ACCOUNT}}, app=APP),
        "template_created": callback("template_created", time, {"template": {"template_id": "f57db65d3f93"}}),
        "unknown_error": callback("unknown_error", time),
        "signature_request_sent": callback(
            "signature_request_sent", time + 10, of(REQUEST, [awaiting, awaiting], time + 10)
        ),
        "signature_request_viewed": callback(
            "signature_request_viewed", time + 20, of(REQUEST, [awaiting, awaiting], time + 20), signer=first
        ),
        "signature_request_signed": callback(
            "signature_request_signed", time + 30, of(REQUEST, [signed, awaiting], time + 30), signer=first
        ),
        "signature_request_signed_to_the_app": callback(
            "signature_request_signed", time + 30, of(REQUEST, [signed, awaiting], time + 30), signer=first, app=APP
        ),
        "signature_request_all_signed": callback(
            "signature_request_all_signed", time + 40, of(REQUEST, [signed, signed], time + 40, is_complete=True)
        ),
        "signature_request_downloadable": callback(
            "signature_request_downloadable", time + 50, of(REQUEST, [signed, signed], time + 40, is_complete=True)
        ),
        "signature_request_declined": callback(
            "signature_request_declined",
            time + 60,
            of(DECLINED, [signed, "declined"], time + 60, is_declined=True),
            message="I don't agree",
        ),
    }
    others = ("canceled", "expired", "remind", "email_bounce", "reassigned", "invalid", "prepared", "destroyed")
    for number, name in enumerate((*others, "incomplete_qes", "signer_removed")):
        identifier = f"0000000000000000000000000000000000000{number:03}"
        event, at = f"signature_request_{name}", time + 100 + number
        cases[event] = callback(event, at, of(identifier, [awaiting, awaiting], at))
    error = of("0000000000000000000000000000000000000100", [awaiting, awaiting], time, has_error=True)
    cases["file_error"] = callback("file_error", time + 200, error, message="The file could not be processed")
    for case, json_field in cases.items():
        write(case, [("json", json.dumps(json_field))])

    text = json.dumps(cases["signature_request_sent"])
    large = callback("signature_request_sent", time + 300, of("large", [awaiting, awaiting], time, message="x" * 10000))
    write("large_body", [("json", json.dumps(large))])
    changed = text.replace(cases["signature_request_sent"]["event"]["event_hash"], "0" * 64)
    write("wrong_hash", [("json", changed)])
    write("without_json", [("data", text)])
    without = callback("signature_request_sent", time + 301)
    write("without_request", [("json", json.dumps(without))])


main()
