// From the link to the signed answer, in a real browser.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Application, ann, enrol, noticed, stage, visit } from "./stage.mjs";

describe("the browser authenticator", () => {
  const scene = stage();

  test("is enrolled by a link, whose token does not stay in the address", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    await page.goto(await person.link());
    const sheet = page.getByRole("dialog", { name: "Answer for Harbour Bank on this device?" });
    await sheet.getByText(person.identity).waitFor();
    assert.equal(new URL(page.url()).hash, "");
    await sheet.getByRole("textbox", { name: "Name of this device" }).fill("Ann’s browser");
    await sheet.getByRole("button", { name: "Add this device" }).click();

    await noticed(page, "This device now answers for Harbour Bank");
    await page.getByText("Connected while this page").waitFor();
    const [factor, ...others] = await person.factors();
    assert.equal(others.length, 0);
    assert.equal(factor.friendly_name, "Ann’s browser");
    assert.equal(factor.status, "verified");
    assert.equal(factor.config.notification_platform, "stream");
  });

  for (const [button, status] of [
    ["Approve", "approved"],
    ["Deny", "denied"],
  ]) {
    test(`shows what comes over the stream, and has it ${status}`, async (t) => {
      const page = await visit(scene, t);
      const person = await ann(scene, page);
      const sid = await person.ask("Log in from Lisbon?", {
        fields: [
          ["Place", "Lisbon"],
          ["Browser", "Firefox on Linux"],
        ],
      });

      const sheet = page.getByRole("dialog", { name: "Log in from Lisbon?" });
      await sheet.getByText("Harbour Bank asks").waitFor();
      await sheet.getByText("Firefox on Linux").waitFor();
      await sheet.getByText(/^Valid for another [45]:\d\d$/).waitFor();
      await sheet.getByRole("button", { name: button }).click();

      await sheet.waitFor({ state: "hidden" });
      assert.equal(await person.outcome(sid), status);
      await person.delivered(sid);
      const past = page.getByRole("listitem").filter({ hasText: "Log in from Lisbon?" });
      await past.getByText(button === "Deny" ? "Denied" : "Approved").waitFor();
    });
  }

  test("shows questions that were asked while it was away", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await page.goto("about:blank");
    const sid = await person.ask("Pay 40 EUR?");
    await page.goto(page.home);
    await page.getByRole("dialog", { name: "Pay 40 EUR?" }).getByRole("button", { name: "Approve" }).click();
    assert.equal(await person.outcome(sid), "approved");
  });

  test("keeps its key over a reload, and cannot export it", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await page.reload();
    await page.getByText("Connected while this page").waitFor();
    const sid = await person.ask("Still you?");
    await page.getByRole("button", { name: "Approve" }).click();
    assert.equal(await person.outcome(sid), "approved");

    const key = await page.evaluate(async () => {
      const database = await new Promise((resolve) => {
        const request = indexedDB.open("countersign");
        request.onsuccess = () => resolve(request.result);
      });
      const request = database.transaction("accounts").objectStore("accounts").getAll();
      const [account] = await new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
      const { privateKey } = account;
      const tries = ["pkcs8", "jwk", "raw"].map((format) =>
        crypto.subtle.exportKey(format, privateKey).then(
          () => "exported",
          (error) => error.name,
        ),
      );
      return { extractable: privateKey.extractable, usages: privateKey.usages, tries: await Promise.all(tries) };
    });
    assert.equal(key.extractable, false);
    assert.deepEqual(key.usages, ["sign"]);
    assert.ok(
      key.tries.every((name) => /Error$/.test(name)),
      String(key.tries),
    );
  });

  test("holds several accounts, and each is asked for itself", async (t) => {
    const page = await visit(scene, t);
    const one = await ann(scene, page);
    const owls = await Application.create("Owl Bank");
    t.after(() => owls.remove());
    const other = owls.person();
    await enrol(page, await other.link());
    await page.getByRole("listitem").filter({ hasText: "Owl Bank" }).getByText("Connected while").waitFor();

    const first = await one.ask("Is it you at the harbour?");
    await page.getByRole("dialog", { name: "Is it you at the harbour?" }).waitFor();
    const second = await other.ask("Is it you, owl?");
    await page.getByText("1 more waiting").waitFor();
    await page.getByRole("dialog").getByText("Harbour Bank asks").waitFor();
    await page.getByRole("button", { name: "Approve" }).click();
    const sheet = page.getByRole("dialog", { name: "Is it you, owl?" });
    await sheet.getByText("Owl Bank asks").waitFor();
    await sheet.getByRole("button", { name: "Deny" }).click();
    assert.deepEqual(await Promise.all([one.outcome(first), other.outcome(second)]), ["approved", "denied"]);
  });
});
