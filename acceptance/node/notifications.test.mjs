import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, stage } from "./stage.mjs";
import { assertJustNow, connect, refused, server, stranger } from "./wire.mjs";

const PROPERTIES = [
  "account_sid",
  "challenge_sid",
  "date_created",
  "entity_sid",
  "identity",
  "priority",
  "service_sid",
  "sid",
  "ttl",
];

describe("notifications", () => {
  const scene = stage();

  /** A challenge that can be notified. */
  async function asked(options) {
    const { entity, phone, ask } = await ann(scene, options);
    const { sid } = await ask();
    return { phone, sid, challenge: entity.challenges(sid), notifications: entity.challenges(sid).notifications };
  }

  for (const [given, used] of [
    [{ ttl: 150 }, 150],
    [{ ttl: 0 }, 0],
    [{ ttl: 300 }, 300],
    [{}, 300],
  ]) {
    test(`asked with ${JSON.stringify(given)}, a notification is valid for ${used} s`, async () => {
      const { sid, notifications } = await asked();

      const notification = await notifications.create(given);

      assert.match(notification.sid, /^NT[0-9a-fA-F]{32}$/);
      assert.deepEqual([notification.accountSid, notification.serviceSid], [server.sid, scene.sid]);
      assert.deepEqual([notification.challengeSid, notification.priority], [sid, "high"]);
      assert.equal(notification.ttl, used);
      assertJustNow(notification.dateCreated);
    });
  }

  test("the answer is 201 with exactly nine properties", async () => {
    const { notifications } = await asked();
    await notifications.create({ ttl: 150 });

    const { statusCode, body, headers } = scene.http.response;

    assert.equal(statusCode, 201);
    assert.deepEqual(Object.keys(body).sort(), PROPERTIES);
    assert.match(body.date_created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    assert.match(headers["twilio-request-id"], /^RQ[0-9a-f]{32}$/);
    assert.match(headers["content-type"], /^application\/json/);
    assert.match(headers.date, /GMT$/);
  });

  for (const ttl of [-1, 301, "x", ""]) {
    test(`a ttl of ${JSON.stringify(ttl)} is refused`, async () => {
      const { notifications } = await asked();

      await refused(notifications.create({ ttl }), 400, 60300, "Ttl");
    });
  }

  test("the fourth notification of a challenge is too many", async () => {
    const { notifications } = await asked();
    for (let count = 0; count < 3; count++) await notifications.create();

    await refused(notifications.create(), 429, 60309);
  });

  test("an answered challenge is not notified again", async () => {
    const { phone, sid, notifications } = await asked();
    await phone.answer(sid, "denied");

    await refused(notifications.create(), 403, 60322);
  });

  test("a phone without push cannot be notified", async () => {
    const { notifications } = await asked({ platform: "none" });

    await refused(notifications.create(), 400, 60307);
  });

  test("a wrong token is refused", async () => {
    const client = connect(server, "x".repeat(32));

    await refused(client.verify.v2.services(scene.sid).fetch(), 401, 20003, "Authenticate");
  });

  test("another account does not find the challenge", async () => {
    const { phone, sid } = await asked();
    const entity = connect(stranger).verify.v2.services(scene.sid).entities(phone.identity);

    await refused(entity.challenges(sid).notifications.create(), 404, 20404);
    await refused(entity.challenges(sid).fetch(), 404, 20404);
  });

  test("an unknown challenge is not found", async () => {
    const { phone } = await asked();
    const unknown = scene.service.entities(phone.identity).challenges(`YC${"0".repeat(32)}`);

    await refused(unknown.notifications.create(), 404, 20404);
  });
});
