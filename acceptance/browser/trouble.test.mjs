// Bad links, lost keys, wrong clocks, and a server that is away.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { ann, call, enrol, stage, visit } from "./stage.mjs";
import { Cable } from "./cable.mjs";

describe("when something is wrong", () => {
  const scene = stage();
  let soonExpired;
  before(async () => {
    const person = scene.app.person();
    soonExpired = { link: await person.link({ ttl: 60 }), token: person.token };
  });

  for (const [what, damage] of [
    ["cut off", (link) => link.replace(/token=.*/, "")],
    ["no link at all", (link) => link.replace(/#.*/, "#hello")],
    ["of a service that is none", (link) => link.replace(/VA\w+/, "VA12")],
  ]) {
    test(`a link that is ${what} says what to do`, async (t) => {
      const page = await visit(scene, t);
      await page.goto(damage(await scene.app.person().link()));
      await page.getByRole("heading", { name: "This link cannot be used" }).waitFor();
      await page.getByText("Ask the application for a new one").first().waitFor();
    });
  }

  test("a link works once, also when pasted", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    const link = await person.link();
    await enrol(page, link);
    await page.getByRole("button", { name: "Add" }).click();
    await page.getByLabel("Enrolment link").fill("https://example.com/nothing");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("This is no complete enrolment link").waitFor();
    await page.getByLabel("Enrolment link").fill(link);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("This device answers for this account already").waitFor();
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("This link was used already").waitFor();
    assert.equal((await person.factors()).length, 1);
  });

  test("a device that the application removed says so, and goes", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await call("DELETE", `${person.path}/Factors/${(await person.factor()).sid}`);
    await page.getByText("The server does not know this device any more").waitFor();
    await page.getByRole("button", { name: "Edit Harbour Bank" }).click();
    await page.getByRole("button", { name: "Remove this account" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByRole("heading", { name: "Answer logins" }).waitFor();
  });

  test("a device that the application told to be reached in another way comes back to the stream", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const { sid } = await person.factor();
    await call("POST", `${person.path}/Factors/${sid}`, { "Config.NotificationPlatform": "none" });
    await page.reload();
    await page.getByText("Connected while this page").waitFor();
    assert.equal((await person.factor()).config.notification_platform, "stream");
  });

  test("a key that was lost with the browser's storage can be replaced", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const { sid: lost } = await person.factor();
    await page.goto("about:blank");
    const other = await page.context().newPage();
    await other.goto(new URL("/healthz", page.home).href);
    await other.evaluate(() => new Promise((resolve) => (indexedDB.deleteDatabase("countersign").onsuccess = resolve)));
    await page.goto(`${page.home}#${new URLSearchParams({ challenge: `YC${"0".repeat(32)}`, factor: lost })}`);
    await page.getByRole("heading", { name: "The key for this question is gone" }).waitFor();
    await page.getByText("The browser’s storage was cleared since").waitFor();
    await enrol(page, await person.link());
    const sid = await person.ask("Back again?");
    await page.getByRole("button", { name: "Approve" }).click();
    assert.equal(await person.outcome(sid), "approved");
  });

  for (const hours of [-5, 5]) {
    test(`a clock that is ${hours} hours off is corrected`, async (t) => {
      const page = await visit(scene, t);
      await page.context().addInitScript((shift) => {
        const Real = Date;
        globalThis.Date = class extends Real {
          constructor(...parts) {
            if (parts.length > 0) super(...parts);
            else super(Real.now() + shift);
          }
          static now() {
            return Real.now() + shift;
          }
        };
      }, hours * 3_600_000);
      const person = await ann(scene, page);
      await page.reload();
      await page.getByText("Connected while this page").waitFor();
      const sid = await person.ask("What time is it?");
      await page.getByText(/^Valid for another [2-5]:\d\d$/).waitFor();
      await page.getByRole("button", { name: "Approve" }).click();
      assert.equal(await person.outcome(sid), "approved");
    });
  }

  test("a server that is away keeps the page as it is, and is found again", async (t) => {
    const cable = await Cable.lay(t);
    const page = await visit(scene, t, { url: cable.url });
    const person = await ann(scene, page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    const sid = await person.ask("Are you there?");
    const sheet = page.getByRole("dialog", { name: "Are you there?" });
    await sheet.getByRole("button", { name: "Approve", disabled: false }).waitFor();
    cable.cut();
    await sheet.getByRole("button", { name: "Approve" }).click();
    await sheet.getByText("The server cannot be reached, and your answer was not sent").waitFor();
    await page.reload();
    await page.getByRole("banner").getByText("Reconnecting…").waitFor();
    await page.getByRole("listitem").getByText("Reconnecting…").waitFor();
    cable.mend();
    await sheet.getByRole("button", { name: "Approve" }).click();
    assert.equal(await person.outcome(sid), "approved");
    await page.getByText("Connected while this page").waitFor();
  });

  test("an account can be removed while the server is away", async (t) => {
    const cable = await Cable.lay(t);
    const page = await visit(scene, t, { url: cable.url });
    await ann(scene, page);
    cable.cut();
    await page.getByRole("button", { name: "Edit Harbour Bank" }).click();
    await page.getByRole("button", { name: "Remove this account" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByText("The server cannot be reached, and does not know of this yet").waitFor();
    await page.getByRole("button", { name: "Remove from this device only" }).click();
    await page.getByRole("heading", { name: "Answer logins" }).waitFor();
  });

  test("without a WebSocket it polls", async (t) => {
    const page = await visit(scene, t);
    await page.context().addInitScript(() => {
      globalThis.WebSocket = class extends EventTarget {
        constructor() {
          super();
          queueMicrotask(() => this.onclose({ code: 1006, reason: "" }));
        }
        close() {}
      };
    });
    const person = scene.app.person();
    await enrol(page, await person.link());
    await page.getByText("Checking every few seconds").waitFor();
    const sid = await person.ask("By asking?");
    await page.getByRole("button", { name: "Approve" }).click();
    assert.equal(await person.outcome(sid), "approved");
  });

  test("a link that has expired says so", async (t) => {
    // A token lasts at least a minute, which the tests above have nearly used up.
    const path = `${scene.app.path}/AccessTokens/${soonExpired.token}`;
    const isThere = () =>
      call("GET", path).then(
        () => true,
        () => false,
      );
    while (await isThere()) await new Promise((resolve) => setTimeout(resolve, 250));
    const page = await visit(scene, t);
    await page.goto(soonExpired.link);
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("This link has expired").waitFor();
    assert.equal(await page.getByRole("button", { name: "Add this device" }).count(), 0);
  });

  test("a database that did not open once, or was closed, is opened again", async (t) => {
    const page = await visit(scene, t);
    await page.addInitScript(() => {
      const { open } = IDBFactory.prototype;
      IDBFactory.prototype.open = function () {
        IDBFactory.prototype.open = function (...which) {
          const request = open.apply(this, which);
          request.addEventListener("success", () => (globalThis.database = request.result));
          return request;
        };
        throw new DOMException("not now", "UnknownError");
      };
    });
    await page.goto(page.home);
    await page.getByRole("alert").filter({ visible: true }).waitFor();
    const kept = () =>
      page.evaluate(async () => {
        const app = document.querySelector("script[type=module]").src;
        return (await (await import(new URL("store.js", app))).accounts()).length;
      });
    assert.equal(await kept(), 0);
    // Another page, of a later release, changes the database; then the data of the site is deleted.
    await page.evaluate(() => {
      const upgrade = indexedDB.open("countersign", 99);
      return new Promise((resolve) => (upgrade.onsuccess = () => resolve(upgrade.result.close())));
    });
    await assert.rejects(kept(), /version/i);
    await page.evaluate(() => new Promise((resolve) => (indexedDB.deleteDatabase("countersign").onsuccess = resolve)));
    assert.equal(await kept(), 0);
    const session = await page.context().newCDPSession(page);
    await session.send("Storage.clearDataForOrigin", { origin: new URL(page.home).origin, storageTypes: "indexeddb" });
    assert.equal(await kept(), 0);
    // Closed without a word, or before it.
    await page.evaluate(() => globalThis.database.close());
    assert.equal(await kept(), 0);
  });
});
