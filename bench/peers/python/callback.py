"""Receives callbacks with a path token as proof, and records each once: the minimum of `quicklysign-callback`."""

import datetime
import hashlib
import hmac
import json
import os
import uuid

import boto3

import runtime

TOKENS = [token.encode() for token in json.loads(os.environ["QUICKLYSIGN_PROOF"])["url_tokens"]]
TABLE = os.environ["TABLE_NAME"]
dynamodb = boto3.client("dynamodb")


def answer(status, **body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def handler(event, _):
    sent = event["pathParameters"]["token"].encode()
    if not any(hmac.compare_digest(sent, token) for token in TOKENS):
        return answer(401, outcome="rejected")
    callback = json.loads(event["body"])
    delivery = str(uuid.uuid4())
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    dynamodb.put_item(
        TableName=TABLE,
        Item={
            "pk": {"S": f"quicklysign#document_pack#{callback['entity_key']}"},
            "sk": {"S": f"EVENT#{now}#{hashlib.sha256(delivery.encode()).hexdigest()}"},
            "name": {"S": callback["callback_event"]},
            "received_at": {"S": now},
            "delivery": {"S": delivery},
            "payload": {"S": event["body"]},
        },
        ConditionExpression="attribute_not_exists(pk)",
    )
    print(json.dumps({"level": "INFO", "message": "recorded", "delivery": delivery}))
    return answer(200, outcome="recorded", delivery=delivery)


if __name__ == "__main__":
    runtime.run(handler)
