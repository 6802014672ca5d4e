import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { Phone } from "./phone.mjs";
import { ann, enrol, everyItem, stage } from "./stage.mjs";
import { assertJustNow, refused, server } from "./wire.mjs";

describe("challenges", () => {
  const scene = stage();

  test("a challenge carries its details", async () => {
    const { identity, entity, phone, ask } = await ann(scene);
    const fields = [
      { label: "Place", value: "Zürich / Oerlikon" },
      { label: "Amount", value: "50 % & 1 + 1 = 2" },
    ];

    const challenge = await ask({
      "details.message": "Log in from “Zürich”? 🦉",
      "details.fields": fields,
      hiddenDetails: { ip: "192.0.2.7", note: "a&b=c+d" },
    });

    assert.match(challenge.sid, /^YC[0-9a-fA-F]{32}$/);
    assert.deepEqual([challenge.identity, challenge.factorSid], [identity, phone.sid]);
    assert.deepEqual(challenge.details, { message: "Log in from “Zürich”? 🦉", fields });
    assert.deepEqual(challenge.hiddenDetails, { ip: "192.0.2.7", note: "a&b=c+d" });
    assert.deepEqual([challenge.status, challenge.respondedReason], ["pending", "none"]);
    assertJustNow(challenge.dateCreated);
    assert.equal(challenge.expirationDate - challenge.dateCreated, 300_000);
    assert.deepEqual((await entity.challenges(challenge.sid).fetch()).details, challenge.details);
  });

  for (const answer of ["approved", "denied"]) {
    test(`the application sees that it was ${answer}`, async () => {
      const { entity, phone, ask } = await ann(scene);
      const { sid } = await ask({ "details.fields": [{ label: "Path", value: "/login" }] });

      assert.equal((await phone.answer(sid, answer)).status, 200);

      const seen = await entity.challenges(sid).fetch();
      assert.equal(seen.status, answer);
      assertJustNow(seen.dateResponded);
    });
  }

  test("the first answer stands", async () => {
    const { entity, phone, ask } = await ann(scene);
    const { sid } = await ask();
    const approval = phone.signedAnswer(await phone.see(sid), "approved");
    await phone.answer(sid, "denied");

    const late = await phone.sendAnswer(sid, approval);

    assert.deepEqual([late.status, late.body.code], [403, 60322]);
    assert.equal((await entity.challenges(sid).fetch()).status, "denied");
  });

  test("the signature of another key answers nothing", async () => {
    const { entity, phone, ask } = await ann(scene);
    const { sid } = await ask();
    const forged = new Phone(server.url).signedAnswer(await phone.see(sid), "approved");

    const answer = await phone.sendAnswer(sid, forged);

    assert.deepEqual([answer.status, answer.body.code], [403, 60324]);
    assert.equal((await entity.challenges(sid).fetch()).status, "pending");
  });

  test("the list can be filtered and reversed, one item a page", async () => {
    const { entity, phone, ask } = await ann(scene);
    const sids = [(await ask()).sid, (await ask()).sid, (await ask()).sid];
    await phone.answer(sids[0], "approved");
    await phone.answer(sids[1], "denied");
    const listed = async (filters) => (await everyItem(entity.challenges, filters)).map(({ sid }) => sid);

    assert.deepEqual(await listed(), sids);
    assert.deepEqual(await listed({ order: "desc" }), [...sids].reverse());
    assert.deepEqual(await listed({ status: "approved" }), [sids[0]]);
    assert.deepEqual(await listed({ status: "pending", factorSid: phone.sid }), [sids[2]]);
    assert.deepEqual(await listed({ factorSid: `YF${"0".repeat(32)}` }), []);
  });

  test("after its expiry a challenge takes no answer and no notification", async () => {
    const { entity, phone, ask } = await ann(scene);
    // On a slow machine the first one expires before the phone has read it.
    let asked, seen;
    for (let seconds = 3; seen?.body.status !== "pending"; seconds *= 3) {
      asked = await ask({ expirationDate: new Date(Date.now() + seconds * 1_000) });
      seen = await phone.see(asked.sid);
    }
    const { sid, expirationDate } = asked;
    const challenge = entity.challenges(sid);
    const approval = phone.signedAnswer(seen, "approved");

    for (const deadline = +expirationDate + 60_000; (await challenge.fetch()).status !== "expired"; await pause(100)) {
      assert.ok(Date.now() < deadline, "the challenge never expired");
    }

    assert.ok(Date.now() >= expirationDate);
    const late = await phone.sendAnswer(sid, approval);
    assert.deepEqual([late.status, late.body.code], [403, 60323]);
    await refused(challenge.notifications.create(), 403, 60323);
  });

  test("an unverified factor cannot be challenged", async () => {
    const entity = scene.service.entities("not-verified-yet");
    const { phone } = await enrol(entity);

    await refused(entity.challenges.create({ factorSid: phone.sid, "details.message": "Log in?" }), 403, 60318);
  });

  test("parameters out of bounds are refused", async () => {
    const { ask } = await ann(scene);

    await refused(ask({ "details.message": "x".repeat(257) }), 400, 60306);
    await refused(ask({ "details.fields": [{ label: "x".repeat(37), value: "y" }] }), 400, 60306);
    await refused(ask({ expirationDate: new Date(0) }), 400, 60306);
  });
});
