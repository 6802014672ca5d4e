import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { everyItem, stage } from "./stage.mjs";
import { assertJustNow, refused, server } from "./wire.mjs";

describe("entities", () => {
  const scene = stage();

  test("an entity is created, fetched by its identity and deleted", async () => {
    const { entities } = scene.service;
    const made = await entities.create({ identity: "user-of-owlbank" });
    const fetched = await entities("user-of-owlbank").fetch();

    assert.match(made.sid, /^YE[0-9a-fA-F]{32}$/);
    assert.equal(fetched.sid, made.sid);
    assert.deepEqual([fetched.accountSid, fetched.serviceSid], [server.sid, scene.sid]);
    assertJustNow(fetched.dateCreated);
    assert.deepEqual(Object.keys(fetched.links).sort(), ["challenges", "factors", "new_factors"]);

    assert.equal(await entities("user-of-owlbank").remove(), true);
    await refused(entities("user-of-owlbank").fetch(), 404, 20404);
  });

  test("an identity can be taken only once", async () => {
    await scene.service.entities.create({ identity: "only-once" });

    await refused(scene.service.entities.create({ identity: "only-once" }), 409, 60301);
    await scene.service.entities("only-once").remove();
  });

  test("the list goes on over pages of one", async () => {
    const names = ["user-number-1", "user-number-2", "user-number-3"];
    for (const identity of names) await scene.service.entities.create({ identity });

    const listed = (await everyItem(scene.service.entities)).map(({ identity }) => identity);
    assert.deepEqual(listed.sort(), names);

    const limited = await scene.service.entities.list({ pageSize: 1, limit: 2 });
    assert.equal(limited.length, 2);
  });

  test("the page's address is on this server", async () => {
    const page = await scene.service.entities.page({ pageSize: 1 });

    assert.ok(page.nextPageUrl.startsWith(`${server.url}/v2/Services/${scene.sid}/Entities?`), page.nextPageUrl);
  });
});
