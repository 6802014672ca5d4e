import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { Phone } from "./phone.mjs";
import { ann, enrol, everyItem, stage } from "./stage.mjs";
import { assertJustNow, refused, server } from "./wire.mjs";

describe("factors", () => {
  const scene = stage();
  const somebody = () => scene.service.entities(randomUUID());

  test("a new factor shows its binding and waits to be verified", async () => {
    const { phone, factor } = await enrol(somebody(), { metadata: { os: "Android" } });

    assert.match(factor.sid, /^YF[0-9a-fA-F]{32}$/);
    assert.deepEqual([factor.accountSid, factor.serviceSid], [server.sid, scene.sid]);
    assert.deepEqual(factor.binding, { alg: "ES256", public_key: phone.publicKey });
    assert.deepEqual([factor.status, factor.factorType], ["unverified", "push"]);
    assert.deepEqual(factor.metadata, { os: "Android" });
    assert.match(factor.config.credential_sid, /^CR/);
    assertJustNow(factor.dateCreated);
  });

  test("a real signature verifies it, that of another key does not", async () => {
    const entity = somebody();
    const { phone, factor } = await enrol(entity);
    const thief = new Phone(server.url);
    thief.sid = factor.sid;

    await refused(entity.factors(factor.sid).update({ authPayload: thief.proof() }), 403, 60311);
    assert.equal((await entity.factors(factor.sid).fetch()).status, "unverified");

    assert.equal((await entity.factors(factor.sid).update({ authPayload: phone.proof() })).status, "verified");
    assert.equal((await entity.factors(factor.sid).fetch()).status, "verified");
  });

  test("factors are listed over pages of one, updated and deleted", async () => {
    const entity = somebody();
    const sids = [];
    for (let number = 0; number < 3; number++) sids.push((await enrol(entity)).factor.sid);

    const listed = (await everyItem(entity.factors)).map(({ sid }) => sid);
    assert.deepEqual(listed.sort(), [...sids].sort());

    const renamed = await entity.factors(sids[0]).update({
      friendlyName: "Ann's new phone",
      "config.notificationToken": "t".repeat(64),
    });
    assert.equal(renamed.friendlyName, "Ann's new phone");
    assert.equal(renamed.config.notification_token, "t".repeat(64));

    assert.equal(await entity.factors(sids[0]).remove(), true);
    await refused(entity.factors(sids[0]).fetch(), 404, 20404);
    assert.equal((await entity.factors.list()).length, 2);
  });

  test("a key can be enrolled once for a user", async () => {
    const { entity, phone } = await ann(scene);

    await refused(enrol(entity, { phone }), 409, 60317);
  });

  test("a key that is not a P-256 key is refused", async () => {
    await refused(enrol(somebody(), { "binding.publicKey": "aGVsbG8=" }), 400, 60314);
  });
});
