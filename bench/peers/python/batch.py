"""Receives Legalesign's batches: verifies the signature over the bytes, records every entry once, and updates the
status of each subject.

Implemented in the usual way: conditional puts for few entries, BatchWriteItem with keys derived from the content for
many, and threads for concurrent calls.
"""

import base64
import concurrent.futures
import hashlib
import hmac
import json
import os
import time
import urllib.parse
import uuid

import boto3
from botocore.config import Config
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

import runtime

PROOF = json.loads(os.environ["LEGALESIGN_PROOF"])
TOKENS = [token.encode() for token in PROOF["url_tokens"]]
KEYS = [x509.load_pem_x509_certificate(pem.encode()).public_key() for pem in PROOF["certificates"]]
TABLE, BUCKET = os.environ["TABLE_NAME"], os.environ["ARCHIVE_BUCKET"]
RANKS = {("document", "10"): 10, ("document", "30"): 50, ("document", "40"): 43, ("document", "50"): 41}
RANKS |= {("signer", "4"): 0, ("signer", "5"): 0, ("signer", "10"): 10, ("signer", "15"): 20, ("signer", "20"): 20}
RANKS |= {("signer", "40"): 30, ("signer", "60"): 41}
MAX_INLINE = 8 * 1024
FEW = 10

dynamodb = boto3.client("dynamodb", config=Config(max_pool_connections=16))
threads = concurrent.futures.ThreadPoolExecutor(16)
condition_failed = dynamodb.exceptions.ConditionalCheckFailedException


def answer(status, **body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def verified(data, signature):
    for key in KEYS:
        try:
            key.verify(base64.b64decode(signature), data, padding.PKCS1v15(), hashes.SHA1())
            return True
        except InvalidSignature:
            pass
    return False


def keep(delivery, body):
    item = {"pk": {"S": f"DELIVERY#{delivery}"}, "sk": {"S": "DELIVERY"}, "received_at": {"N": str(int(time.time()))}}
    if len(body) <= MAX_INLINE:
        item["body"] = {"B": body}
    else:
        key = f"deliveries/{delivery}"
        boto3.client("s3", config=Config(s3={"addressing_style": "path"})).put_object(Bucket=BUCKET, Key=key, Body=body)
        item["body_key"] = {"S": key}
    dynamodb.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")


def item_of(entry, position, delivery):
    _, _, _, kind, identifier, _ = entry["resource_uri"].split("/")
    identity = "\0".join([entry["resource_uri"], entry["name"], entry["value"], entry["timestamp"]])
    return {
        "pk": {"S": f"legalesign#{kind}#{identifier}"},
        "sk": {"S": f"EVENT#{entry['timestamp']}#{hashlib.sha256(identity.encode()).hexdigest()}"},
        "name": {"S": entry["name"]},
        "value": {"S": entry["value"]},
        "occurred_at": {"S": entry["timestamp"]},
        "delivery": {"S": delivery},
        "position": {"N": str(position)},
        "payload": {"S": json.dumps(entry)},
    }


def put(item):
    try:
        dynamodb.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")
    except condition_failed:
        pass


def put_many(items):
    left = {TABLE: [{"PutRequest": {"Item": item}} for item in items]}
    pause = 0.05
    while left:
        left = dynamodb.batch_write_item(RequestItems=left).get("UnprocessedItems")
        if left:
            time.sleep(pause)
            pause = min(pause * 2, 2)


def advance(subject, status):
    rank, at = status
    try:
        dynamodb.update_item(
            TableName=TABLE,
            Key={"pk": {"S": subject}, "sk": {"S": "STATE"}},
            UpdateExpression="SET progress = :progress, occurred_at = :at",
            ConditionExpression="attribute_not_exists(progress) OR progress < :progress",
            ExpressionAttributeValues={":progress": {"S": f"{rank:02}#{at}"}, ":at": {"S": at}},
        )
    except condition_failed:
        pass


def handler(event, _):
    sent = event["pathParameters"]["token"].encode()
    if not any(hmac.compare_digest(sent, token) for token in TOKENS):
        return answer(401, outcome="rejected")
    body = base64.b64decode(event["body"]) if event["isBase64Encoded"] else event["body"].encode()
    form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
    data, signature = form.get(b"data"), form.get(b"signed")
    if data is None or signature is None:
        return answer(400, outcome="rejected")
    if not verified(data, signature):
        return answer(401, outcome="rejected")
    delivery = str(uuid.uuid4())
    keep(delivery, body)
    entries = json.loads(data)
    items, statuses = {}, {}
    for position, entry in enumerate(entries):
        item = item_of(entry, position, delivery)
        items.setdefault((item["pk"]["S"], item["sk"]["S"]), item)
        rank = RANKS.get((item["pk"]["S"].split("#")[1], entry["value"])) if entry["name"] == "status" else None
        if rank is not None:
            subject = item["pk"]["S"]
            statuses[subject] = max(statuses.get(subject, (-1, "")), (rank, entry["timestamp"]))
    items = list(items.values())
    if len(items) <= FEW:
        for item in items:
            put(item)
        for subject, status in statuses.items():
            advance(subject, status)
    else:
        list(threads.map(put_many, (items[start : start + 25] for start in range(0, len(items), 25))))
        list(threads.map(advance, statuses.keys(), statuses.values()))
    print(json.dumps({"level": "INFO", "message": "recorded", "delivery": delivery, "events": len(entries)}))
    return answer(200, outcome="recorded", delivery=delivery, events=len(entries))


if __name__ == "__main__":
    runtime.run(handler)
