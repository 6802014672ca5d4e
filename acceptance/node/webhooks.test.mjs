import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { everyItem, stage } from "./stage.mjs";
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
});
