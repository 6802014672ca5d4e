import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, stage } from "./stage.mjs";
import { server } from "./wire.mjs";

describe("presence", () => {
  const scene = stage();
  /** A request of the SDK itself, with parameters that its resources do not know. */
  const request = async (method, path, data) => {
    const uri = `${server.url}/v2/Services/${scene.sid}${path}`;
    const { statusCode, body } = await scene.client.request({ method, uri, data });
    return { status: statusCode, body: typeof body === "string" ? JSON.parse(body) : body };
  };

  test("a code that the phone shows is typed on the page", async () => {
    const { identity, entity, phone } = await ann(scene);
    const challenges = `/Entities/${identity}/Challenges`;
    const question = { FactorSid: phone.sid, "Details.Message": "Log in?", Presence: "code" };
    const created = await request("post", challenges, question);
    assert.equal(created.status, 201);
    const { sid } = created.body;
    assert.deepEqual((await entity.challenges(sid).fetch()).details.fields, []);
    const [{ label, value: code }] = (await phone.see(sid)).body.details.fields;
    assert.equal(label, "Code");
    assert.match(code, /^\d{4}$/);

    const presence = `${challenges}/${sid}/Presence`;
    const early = await request("post", presence, { Code: code });
    assert.deepEqual([early.status, early.body.code], [403, 60324]);
    assert.equal((await phone.answer(sid, "approved")).status, 200);
    assert.equal((await entity.challenges(sid).fetch()).status, "approved");
    const wrong = await request("post", presence, { Code: code === "0000" ? "0001" : "0000" });
    assert.deepEqual([wrong.status, wrong.body.code], [403, 60324]);
    const confirmed = { challenge_sid: sid, mode: "code", confirmed: true };
    assert.deepEqual(await request("post", presence, { Code: code }), { status: 200, body: confirmed });
    assert.deepEqual((await request("get", presence)).body, confirmed);
  });

  test("a phone denies without a code", async () => {
    const { identity, entity, phone } = await ann(scene);
    const question = { FactorSid: phone.sid, "Details.Message": "Log in?", Presence: "code" };
    const { body } = await request("post", `/Entities/${identity}/Challenges`, question);
    assert.equal((await phone.answer(body.sid, "denied")).status, 200);
    assert.equal((await entity.challenges(body.sid).fetch()).status, "denied");
  });

  test("an app with an SDK cannot be asked for numbers", async () => {
    const { identity, phone } = await ann(scene);
    const question = { FactorSid: phone.sid, "Details.Message": "Log in?", Presence: "number" };
    const refused = await request("post", `/Entities/${identity}/Challenges`, question);
    assert.deepEqual([refused.status, refused.body.code], [400, 60306]);
    assert.equal(refused.body.details.parameter, "Presence");
  });
});
