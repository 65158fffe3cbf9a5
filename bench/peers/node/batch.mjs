// Receives Legalesign's batches: verifies the signature over the bytes, records every entry once, and updates the status
// of each subject.
//
// Implemented in the usual way: conditional puts for few entries, BatchWriteItem with keys derived from the content for
// many, and promises for concurrent calls.

import { X509Certificate, createHash, createVerify, randomUUID, timingSafeEqual } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { BatchWriteItemCommand, DynamoDBClient, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";
import { run } from "./runtime.mjs";

const digest = (text) => createHash("sha256").update(text).digest();
const proof = JSON.parse(process.env.LEGALESIGN_PROOF);
const tokens = proof.url_tokens.map(digest);
const keys = proof.certificates.map((pem) => new X509Certificate(pem).publicKey);
const TableName = process.env.TABLE_NAME;
const RANKS = {
  document: { 10: 10, 30: 50, 40: 43, 50: 41 },
  signer: { 4: 0, 5: 0, 10: 10, 15: 20, 20: 20, 40: 30, 60: 41 },
};
const MAX_INLINE = 8 * 1024;
const FEW = 10;
const CONCURRENCY = 16;
const dynamodb = new DynamoDBClient({});

function answer(statusCode, body) {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

// Decodes a form's field into bytes, because the signature is over bytes. Latin-1 represents each byte as one character.
function decode(field) {
  const text = field.replaceAll("+", " ").replace(/%([0-9a-fA-F]{2})/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(text, "latin1");
}

function form(body) {
  const pairs = body.toString("latin1").split("&").map((pair) => {
    const end = pair.indexOf("=");
    return end < 0 ? [pair, ""] : [pair.slice(0, end), pair.slice(end + 1)];
  });
  return new Map(pairs);
}

function verified(data, signature) {
  return keys.some((key) => createVerify("RSA-SHA1").update(data).verify(key, signature, "base64"));
}

async function unlessKnown(command) {
  try {
    await dynamodb.send(command);
  } catch (error) {
    if (error.name !== "ConditionalCheckFailedException") throw error;
  }
}

async function keep(delivery, body) {
  const Item = { pk: { S: `DELIVERY#${delivery}` }, sk: { S: "DELIVERY" }, received_at: { N: `${Date.now()}` } };
  if (body.length <= MAX_INLINE) {
    Item.body = { B: body };
  } else {
    const { PutObjectCommand, S3Client } = await import("@aws-sdk/client-s3");
    const Key = `deliveries/${delivery}`;
    const s3 = new S3Client({ forcePathStyle: true });
    await s3.send(new PutObjectCommand({ Bucket: process.env.ARCHIVE_BUCKET, Key, Body: body }));
    Item.body_key = { S: Key };
  }
  await dynamodb.send(new PutItemCommand({ TableName, Item, ConditionExpression: "attribute_not_exists(pk)" }));
}

function itemOf(entry, position, delivery) {
  const [, , , kind, id] = entry.resource_uri.split("/");
  const identity = [entry.resource_uri, entry.name, entry.value, entry.timestamp].join("\0");
  return {
    pk: { S: `legalesign#${kind}#${id}` },
    sk: { S: `EVENT#${entry.timestamp}#${digest(identity).toString("hex")}` },
    name: { S: entry.name },
    value: { S: entry.value },
    occurred_at: { S: entry.timestamp },
    delivery: { S: delivery },
    position: { N: `${position}` },
    payload: { S: JSON.stringify(entry) },
  };
}

function put(Item) {
  return unlessKnown(new PutItemCommand({ TableName, Item, ConditionExpression: "attribute_not_exists(pk)" }));
}

async function putMany(items) {
  let left = { [TableName]: items.map((Item) => ({ PutRequest: { Item } })) };
  for (let pause = 50; Object.keys(left ?? {}).length > 0; pause = Math.min(pause * 2, 2000)) {
    left = (await dynamodb.send(new BatchWriteItemCommand({ RequestItems: left }))).UnprocessedItems;
    if (Object.keys(left ?? {}).length > 0) await setTimeout(pause);
  }
}

function advance([subject, [rank, at]]) {
  return unlessKnown(
    new UpdateItemCommand({
      TableName,
      Key: { pk: { S: subject }, sk: { S: "STATE" } },
      UpdateExpression: "SET progress = :progress, occurred_at = :at",
      ConditionExpression: "attribute_not_exists(progress) OR progress < :progress",
      ExpressionAttributeValues: { ":progress": { S: `${`${rank}`.padStart(2, "0")}#${at}` }, ":at": { S: at } },
    }),
  );
}

// Runs `work` for each element of a list, with bounded concurrency.
async function forEach(list, work) {
  const iterator = list[Symbol.iterator]();
  const worker = async () => {
    for (const element of iterator) await work(element);
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, worker));
}

run(async (event) => {
  const sent = digest(event.pathParameters.token);
  if (!tokens.some((token) => timingSafeEqual(sent, token))) return answer(401, { outcome: "rejected" });
  const body = Buffer.from(event.body, event.isBase64Encoded ? "base64" : "utf8");
  const fields = form(body);
  if (!fields.has("data") || !fields.has("signed")) return answer(400, { outcome: "rejected" });
  const data = decode(fields.get("data"));
  if (!verified(data, decode(fields.get("signed")).toString())) return answer(401, { outcome: "rejected" });
  const delivery = randomUUID();
  await keep(delivery, body);
  const entries = JSON.parse(data.toString());
  const items = new Map();
  const statuses = new Map();
  entries.forEach((entry, position) => {
    const item = itemOf(entry, position, delivery);
    const key = item.pk.S + item.sk.S;
    if (!items.has(key)) items.set(key, item);
    const rank = entry.name === "status" ? RANKS[item.pk.S.split("#")[1]]?.[entry.value] : undefined;
    if (rank === undefined) return;
    const [known, at] = statuses.get(item.pk.S) ?? [-1, ""];
    if (rank > known || (rank === known && entry.timestamp > at)) statuses.set(item.pk.S, [rank, entry.timestamp]);
  });
  if (items.size <= FEW) {
    for (const item of items.values()) await put(item);
    for (const status of statuses) await advance(status);
  } else {
    const all = [...items.values()];
    const batches = Array.from({ length: Math.ceil(all.length / 25) }, (_, n) => all.slice(n * 25, n * 25 + 25));
    await forEach(batches, putMany);
    await forEach(statuses, advance);
  }
  console.log(JSON.stringify({ level: "INFO", message: "recorded", delivery, events: entries.length }));
  return answer(200, { outcome: "recorded", delivery, events: entries.length });
});
