import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { everyItem } from "./stage.mjs";
import { assertJustNow, connect, refused, server } from "./wire.mjs";

describe("services", () => {
  const { services } = connect().verify.v2;
  let owl;

  before(async () => {
    owl = await services.create({
      friendlyName: "Owl Bank",
      codeLength: 8,
      "push.includeDate": true,
      "totp.issuer": "Owl",
      "totp.timeStep": 45,
      "totp.codeLength": 7,
      "totp.skew": 2,
    });
  });
  after(() => services(owl.sid).remove());

  test("a new service has the settings it was given", () => {
    assert.match(owl.sid, /^VA[0-9a-fA-F]{32}$/);
    assert.equal(owl.accountSid, server.sid);
    assert.equal(owl.codeLength, 8);
    assert.deepEqual(owl.push, { include_date: true, apn_credential_sid: null, fcm_credential_sid: null });
    assert.deepEqual(owl.totp, { issuer: "Owl", time_step: 45, code_length: 7, skew: 2 });
    assert.equal(owl.url, `${server.url}/v2/Services/${owl.sid}`);
    assertJustNow(owl.dateCreated);
    assertJustNow(owl.dateUpdated);
  });

  test("a service can be fetched and updated", async () => {
    const updated = await services(owl.sid).update({ friendlyName: "Owl Bank EU", "push.includeDate": false });

    assert.equal(updated.push.include_date, false);
    assert.equal(updated.codeLength, 8);
    assert.equal((await services(owl.sid).fetch()).friendlyName, "Owl Bank EU");
  });

  test("a deleted service is gone", async () => {
    const { sid } = await services.create({ friendlyName: "Short lived" });

    assert.equal(await services(sid).remove(), true);

    await refused(services(sid).fetch(), 404, 20404, `The requested resource /Services/${sid} was not found`);
  });

  test("the list goes on over pages of one", async () => {
    const made = [];
    for (const letter of "ABC") made.push((await services.create({ friendlyName: `Branch ${letter}` })).sid);

    const listed = (await everyItem(services)).map(({ sid }) => sid);

    assert.equal(new Set(listed).size, listed.length);
    for (const sid of made) {
      assert.ok(listed.includes(sid));
      await services(sid).remove();
    }
  });

  test("settings out of bounds are refused", async () => {
    await refused(services.create({ friendlyName: "x".repeat(33) }), 400, 60200);
    await refused(services.create({ friendlyName: "Owl Bank", codeLength: 3 }), 400, 60200);
    await refused(services.create({ friendlyName: "Owl Bank", "push.fcmCredentialSid": "mine" }), 400, 60200);
  });
});
