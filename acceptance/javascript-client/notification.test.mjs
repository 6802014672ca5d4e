import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, stage } from "../node/stage.mjs";
import { assertJustNow, server, stranger } from "../node/wire.mjs";
import { createNotification, TwilioVerify } from "./generated.mjs";

describe("createNotification of the generated JavaScript client", () => {
  const scene = stage();

  async function asked(options) {
    const { identity, phone, ask } = await ann(scene, options);
    return { phone, path: { serviceSid: scene.sid, identity, challengeSid: (await ask()).sid } };
  }

  for (const [opts, ttl] of [
    [{ ttl: 56 }, 56],
    [{ ttl: 0 }, 0],
    [{ ttl: 300 }, 300],
  ]) {
    test(`with ${JSON.stringify(opts)} it makes a notification of that ttl`, async () => {
      const { path } = await asked();

      const { error, data, response } = await createNotification(path, opts);

      assert.equal(error, null);
      assert.equal(response.status, 201);
      assert.ok(data instanceof TwilioVerify.VerifyV2ServiceEntityChallengeNotification);
      assert.match(data.sid, /^NT[0-9a-fA-F]{32}$/);
      assert.match(data.entity_sid, /^YE[0-9a-fA-F]{32}$/);
      assert.deepEqual([data.account_sid, data.service_sid], [server.sid, path.serviceSid]);
      assert.deepEqual([data.identity, data.challenge_sid], [path.identity, path.challengeSid]);
      assert.deepEqual([data.priority, data.ttl], ["high", ttl]);
      assertJustNow(data.date_created);
    });
  }

  test("the JSON has the nine documented properties and passes the client's own check", async () => {
    const { path } = await asked();

    const { response } = await createNotification(path, { ttl: 150 });

    assert.deepEqual(Object.keys(response.body).sort(), [
      "account_sid",
      "challenge_sid",
      "date_created",
      "entity_sid",
      "identity",
      "priority",
      "service_sid",
      "sid",
      "ttl",
    ]);
    assert.ok(TwilioVerify.VerifyV2ServiceEntityChallengeNotification.validateJSON(response.body));
  });

  /** The callback's arguments after a refusal: an error with the response, and no data. */
  function assertRefused({ error, data }, status, code) {
    assert.equal(data, null);
    assert.equal(error.status, status);
    assert.equal(error.response.body.status, status);
    assert.equal(error.response.body.code, code);
    assert.equal(error.response.body.more_info, `https://www.twilio.com/docs/errors/${code}`);
    assert.ok(error.response.body.message);
  }

  test("a ttl out of bounds is refused", async () => {
    const { path } = await asked();

    assertRefused(await createNotification(path, { ttl: 301 }), 400, 60300);
    assertRefused(await createNotification(path, { ttl: -1 }), 400, 60300);
  });

  test("wrong credentials are refused", async () => {
    const { path } = await asked();

    assertRefused(await createNotification(path, { ttl: 56 }, { ...server, token: "x".repeat(32) }), 401, 20003);
  });

  test("another account does not find the challenge", async () => {
    const { path } = await asked();

    assertRefused(await createNotification(path, { ttl: 56 }, stranger), 404, 20404);
  });

  test("an answered challenge is not notified again", async () => {
    const { path, phone } = await asked();
    await phone.answer(path.challengeSid, "approved");

    assertRefused(await createNotification(path, { ttl: 56 }), 403, 60322);
  });

  test("a phone without push cannot be notified", async () => {
    const { path } = await asked({ platform: "none" });

    assertRefused(await createNotification(path, { ttl: 56 }), 400, 60307);
  });

  test("the fourth notification of a challenge is too many", async () => {
    const { path } = await asked();
    for (let count = 0; count < 3; count++) assert.equal((await createNotification(path, {})).error, null);

    assertRefused(await createNotification(path, {}), 429, 60309);
  });
});
