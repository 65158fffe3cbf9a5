// Receives callbacks with a path token as proof, and records each once: the minimum of `quicklysign-callback`.

import { createHash, randomUUID, timingSafeEqual } from "node:crypto";
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { run } from "./runtime.mjs";

const digest = (text) => createHash("sha256").update(text).digest();
const tokens = JSON.parse(process.env.QUICKLYSIGN_PROOF).url_tokens.map(digest);
const dynamodb = new DynamoDBClient({});

function answer(statusCode, body) {
  return { statusCode, headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

run(async (event) => {
  const sent = digest(event.pathParameters.token);
  if (!tokens.some((token) => timingSafeEqual(sent, token))) return answer(401, { outcome: "rejected" });
  const callback = JSON.parse(event.body);
  const delivery = randomUUID();
  const now = new Date().toISOString();
  await dynamodb.send(
    new PutItemCommand({
      TableName: process.env.TABLE_NAME,
      Item: {
        pk: { S: `quicklysign#document_pack#${callback.entity_key}` },
        sk: { S: `EVENT#${now}#${digest(delivery).toString("hex")}` },
        name: { S: callback.callback_event },
        received_at: { S: now },
        delivery: { S: delivery },
        payload: { S: event.body },
      },
      ConditionExpression: "attribute_not_exists(pk)",
    }),
  );
  console.log(JSON.stringify({ level: "INFO", message: "recorded", delivery }));
  return answer(200, { outcome: "recorded", delivery });
});
