"""Receives callbacks with a path token as proof, with the guarantees of `quicklysign-callback`: a delivery is durable
before anything else, an event is recorded once, a crash at any point is finished by doing it all again, the order of
arrival doesn't matter, documents and deliveries can be listed, and a finished pack's archive job becomes due.

Implemented in the usual way: one call after another, each idempotent by its condition.
"""

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
SHARDS = 8
FINAL = "final_document_generated"
dynamodb = boto3.client("dynamodb")
condition_failed = dynamodb.exceptions.ConditionalCheckFailedException


def answer(status, **body):
    return {"statusCode": status, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def listed(name, key, place):
    """The index entry of an item."""
    shard = hashlib.sha256(key.encode()).digest()[0] % SHARDS
    return {":gsi1pk": {"S": f"{name}#{shard}"}, ":gsi1sk": {"S": place}}


def update(partition, sort, expression, values, condition=None):
    """Updates an item. `False` if the condition failed."""
    call = {"ConditionExpression": condition} if condition else {}
    try:
        dynamodb.update_item(
            TableName=TABLE,
            Key={"pk": {"S": partition}, "sk": {"S": sort}},
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
            **call,
        )
    except condition_failed:
        return False
    return True


def accept(delivery, now, body):
    item = {
        "pk": {"S": f"DELIVERY#{delivery}"},
        "sk": {"S": "DELIVERY"},
        "received_at": {"S": now},
        "outcome": {"S": "accepted"},
        "body": {"B": body},
        "sha256": {"S": hashlib.sha256(body).hexdigest()},
    }
    item |= {name[1:]: value for name, value in listed("ACCEPTED", delivery, f"{now}#{delivery}").items()}
    dynamodb.put_item(TableName=TABLE, Item=item, ConditionExpression="attribute_not_exists(pk)")


def record_event(pack, event, delivery, now, callback):
    expression = "SET event_name = :name, received_at = :now, delivery = :delivery, payload = :payload"
    values = {
        ":name": {"S": callback["callback_event"]},
        ":now": {"S": now},
        ":delivery": {"S": delivery},
        ":payload": {"S": json.dumps(callback)},
    }
    return update(pack, f"EVENT#{now}#{event}", expression, values, "attribute_not_exists(delivery)")


def advance(pack, key, now, completed):
    rank, status = ("50", "completed") if completed else ("--", "-")
    values = {":progress": {"S": f"{rank}#{now}"}, ":status": {"S": status}}
    values |= listed("DOCUMENT#quicklysign", key, f"{status}#{now}#{key}")
    expression = "SET progress = :progress, current_status = :status, gsi1pk = :gsi1pk, gsi1sk = :gsi1sk"
    update(pack, "STATE", expression, values, "attribute_not_exists(progress) OR progress < :progress")


def request_archive(pack, event, now):
    values = {":due": {"S": "due"}, ":one": {"N": "1"}, ":event": {"S": event}, ":events": {"SS": [event]}}
    values |= listed("ARCHIVE#due", pack, f"{now}#{pack}")
    expression = "SET job_state = :due, gsi1pk = :gsi1pk, gsi1sk = :gsi1sk ADD revision :one, requests :events"
    update(pack, "ARCHIVE", expression, values, "NOT contains(requests, :event)")


def finish(delivery, now, outcome):
    values = {":outcome": {"S": outcome}} | listed(f"DELIVERY#{now[:10]}", delivery, f"{now}#{delivery}")
    expression = "SET outcome = :outcome, gsi1pk = :gsi1pk, gsi1sk = :gsi1sk"
    update(f"DELIVERY#{delivery}", "DELIVERY", expression, values)


def handler(event, _):
    sent = event["pathParameters"]["token"].encode()
    if not any(hmac.compare_digest(sent, token) for token in TOKENS):
        return answer(401, outcome="rejected")
    body = event["body"].encode()
    delivery = str(uuid.uuid4())
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    accept(delivery, now, body)
    callback = json.loads(body)
    key = callback["entity_key"]
    pack = f"quicklysign#document_pack#{key}"
    identity = hashlib.sha256(delivery.encode()).hexdigest()
    completed = callback["callback_event"] == FINAL
    new = record_event(pack, identity, delivery, now, callback)
    advance(pack, key, now, completed)
    if completed:
        request_archive(pack, identity, now)
    outcome = "recorded" if new else "duplicate"
    finish(delivery, now, outcome)
    print(json.dumps({"level": "INFO", "message": outcome, "delivery": delivery}))
    return answer(200, outcome=outcome, delivery=delivery)


if __name__ == "__main__":
    runtime.run(handler)
