import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { stage } from "./stage.mjs";
import { assertJustNow, refused, server } from "./wire.mjs";

describe("access tokens", () => {
  const scene = stage();

  test("a token is created and fetched", async () => {
    const { accessTokens } = scene.service;
    const made = await accessTokens.create({ identity: "user-of-owlbank", factorType: "push", ttl: 120 });
    const fetched = await accessTokens(made.sid).fetch();

    assert.match(made.sid, /^YK[0-9a-fA-F]{32}$/);
    assert.deepEqual([made.accountSid, made.serviceSid], [server.sid, scene.sid]);
    assert.deepEqual([made.entityIdentity, made.factorType, made.ttl], ["user-of-owlbank", "push", 120]);
    assertJustNow(made.dateCreated);
    assert.ok(made.token);
    assert.equal(fetched.token, made.token);
  });

  test("parameters out of bounds are refused", async () => {
    const right = { identity: "user-of-owlbank", factorType: "push" };
    for (const wrong of [{ ttl: 59 }, { ttl: 301 }, { identity: "short" }, { factorType: "totp" }]) {
      await refused(scene.service.accessTokens.create({ ...right, ...wrong }), 400, 60305);
    }
  });
});
