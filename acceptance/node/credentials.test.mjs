// Push credentials live in Twilio's Notify product, and so in its part of the SDK.
import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { everyItem } from "./stage.mjs";
import { assertJustNow, connect, refused, server } from "./wire.mjs";

/** A service account in Google's format: the JSON text for `Secret`. */
function serviceAccount() {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  return JSON.stringify({
    type: "service_account",
    project_id: "owlbank",
    private_key_id: "0123456789abcdef",
    private_key: privateKey.export({ type: "pkcs8", format: "pem" }),
    client_email: "push@owlbank.example.com",
    token_uri: "https://oauth2.googleapis.com/token",
  });
}

describe("credentials", () => {
  const client = connect();
  const { credentials } = client.notify.v1;

  test("a credential is created, fetched, listed, updated and deleted, and never shows its secret", async () => {
    const made = await credentials.create({ type: "fcm", friendlyName: "android", secret: serviceAccount() });

    assert.ok(!JSON.stringify(client.httpClient.response.body).includes("PRIVATE KEY"));
    assert.match(made.sid, /^CR[0-9a-fA-F]{32}$/);
    assert.deepEqual([made.accountSid, made.type, made.friendlyName], [server.sid, "fcm", "android"]);
    assertJustNow(made.dateCreated);

    assert.equal((await credentials(made.sid).update({ friendlyName: "Android" })).friendlyName, "Android");
    assert.equal((await credentials(made.sid).fetch()).friendlyName, "Android");
    assert.ok((await everyItem(credentials)).some(({ sid }) => sid === made.sid));

    assert.equal(await credentials(made.sid).remove(), true);
    await refused(credentials(made.sid).fetch(), 404, 20404);
  });
});
