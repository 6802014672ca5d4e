import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import twilio from "twilio";
import { ann, everyItem, stage } from "./stage.mjs";
import { assertJustNow, refused, server } from "./wire.mjs";

describe("webhooks", () => {
  const scene = stage();

  test("a webhook is created, fetched, listed, updated and deleted", async () => {
    const { webhooks } = scene.service;
    const made = await webhooks.create({
      friendlyName: "Answers",
      eventTypes: ["challenge.approved", "challenge.denied"],
      webhookUrl: "https://owlbank.example.com/hook?tenant=7",
    });

    assert.match(made.sid, /^YW[0-9a-fA-F]{32}$/);
    assert.equal(made.accountSid, server.sid);
    assert.deepEqual([...made.eventTypes].sort(), ["challenge.approved", "challenge.denied"]);
    assert.deepEqual([made.status, made.version, made.webhookMethod], ["enabled", "v2", "POST"]);
    assertJustNow(made.dateCreated);

    assert.equal((await webhooks(made.sid).fetch()).webhookUrl, "https://owlbank.example.com/hook?tenant=7");
    assert.deepEqual((await everyItem(webhooks)).map(({ sid }) => sid), [made.sid]);

    const updated = await webhooks(made.sid).update({ status: "disabled", eventTypes: ["*"] });
    assert.deepEqual([updated.status, updated.eventTypes], ["disabled", ["*"]]);

    assert.equal(await webhooks(made.sid).remove(), true);
    await refused(webhooks(made.sid).fetch(), 404, 20404);
  });

  test("an event that does not exist is refused", async () => {
    const wrong = {
      friendlyName: "Hook",
      eventTypes: ["challenge.ignored"],
      webhookUrl: "https://owlbank.example.com/hook",
    };

    await refused(scene.service.webhooks.create(wrong), 400, 60306);
  });

  test("the SDK accepts every call of this server and refuses tampered ones", async () => {
    const { ear, calls } = await listener();
    const made = await scene.service.webhooks.create({
      friendlyName: "All",
      eventTypes: ["*"],
      webhookUrl: `http://127.0.0.1:${ear.address().port}/hook?tenant=7&a=b%20c`,
    });
    try {
      const { phone, ask } = await ann(scene);
      const challenge = await ask({ "details.message": "Zahlen Sie 40 € an Søren & Co?" });
      assert.equal((await phone.answer(challenge.sid, "denied")).status, 200);

      const told = [];
      for (let n = 0; n < 3; n += 1) {
        const { url, headers, body } = await calls.next();
        const form = Object.fromEntries(new URLSearchParams(body));
        const signature = headers["x-twilio-signature"];
        const isOurs = (token, itsUrl, itsForm) => twilio.validateRequest(token, signature, itsUrl, itsForm);
        told.push(form.type);
        assert.equal(headers["i-twilio-idempotency-token"], form.uuid);

        assert.ok(isOurs(server.token, url, form));
        assert.ok(!isOurs(server.token, url, { ...form, type: "challenge.approved" }));
        assert.ok(!isOurs(server.token, url, { ...form, more: "1" }));
        assert.ok(!isOurs(server.token, url.replace("tenant=7", "tenant=8"), form));
        assert.ok(!isOurs("0".repeat(32), url, form));
      }
      // Calls have no order.
      assert.deepEqual(told.sort(), ["challenge.denied", "factor.created", "factor.verified"]);
    } finally {
      await scene.service.webhooks(made.sid).remove();
      ear.close();
    }
  });
});

/** An application's listener, and the calls that it receives. */
async function listener() {
  const heard = [];
  let wake = () => {};
  const ear = createServer(async (request, response) => {
    const parts = await request.toArray();
    heard.push({
      url: `http://${request.headers.host}${request.url}`,
      headers: request.headers,
      body: Buffer.concat(parts).toString(),
    });
    response.writeHead(204).end();
    wake();
  });
  ear.listen(0, "127.0.0.1");
  await once(ear, "listening");
  const next = async () => {
    while (heard.length === 0) {
      await new Promise((resolve) => {
        wake = resolve;
      });
    }
    return heard.shift();
  };
  return { ear, calls: { next } };
}
