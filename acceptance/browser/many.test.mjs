// Many questions at once, and those that the person did not cause: reported, muted, denied together, or arriving quietly.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, call, enrol, noticed, stage, visit } from "./stage.mjs";

describe("a question that the person did not cause", () => {
  const scene = stage();

  test("is reported after a sentence about the consequences, and further ones are paused", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const sid = await person.ask("Was it you?");
    const sheet = page.getByRole("dialog", { name: "Was it you?" });
    await sheet.getByRole("button", { name: "It was not me", disabled: false }).click();
    const confirm = page.getByRole("dialog", { name: "Deny and report it?" });
    await confirm.getByText("Further questions to you are paused, on all your devices, until Harbour Bank ends").waitFor();
    await confirm.getByRole("button", { name: "Go back" }).click();
    assert.equal((await call("GET", `${person.path}/Challenges/${sid}`)).body.status, "pending", "nothing happened yet");
    await sheet.getByRole("button", { name: "It was not me" }).click();
    await confirm.getByRole("button", { name: "Deny and report" }).click();
    assert.equal(await person.outcome(sid), "denied");
    await noticed(page, "Denied and reported: Was it you?");
    await page.locator("#history-list").getByText("Reported").waitFor();
    const { paused, reason } = (await call("GET", `${person.path}/Protection`)).body;
    assert.deepEqual([paused, reason], [true, "reported"]);
    await assert.rejects(person.ask("And now?"), /403/);
  });

  test("is denied without a report by Deny", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const sid = await person.ask("Only denied?");
    await page.getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    assert.equal(await person.outcome(sid), "denied");
    assert.equal(await person.outcome(await person.ask("Asked again?", { seconds: 5 })), "expired");
  });
});

describe("several questions", () => {
  const scene = stage();

  async function asked(t, ...messages) {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const sids = [];
    for (const message of messages) sids.push(await person.ask(message));
    await page
      .locator("#prompt-queue")
      .getByText(`${messages.length - 1} more waiting`)
      .waitFor();
    return { page, person, sids };
  }

  test("are denied together from the sheet of one of them, after a question", async (t) => {
    const { page, person, sids } = await asked(t, "One?", "Two?", "Three?");
    await page.locator("#prompt").getByRole("button", { name: "Deny all", disabled: false }).click();
    const confirm = page.getByRole("dialog", { name: "Deny all 3 questions?" });
    await confirm.getByRole("button", { name: "Deny all" }).click();
    for (const sid of sids) assert.equal(await person.outcome(sid), "denied");
    await page.locator("#prompt").waitFor({ state: "hidden" });
    // The history is written after the sheet is gone.
    const denied = page.locator("#history-list").getByText("Denied", { exact: true });
    await denied.nth(2).waitFor();
    assert.equal(await denied.count(), 3);
    const next = await person.ask("Afterwards?");
    await page.getByRole("dialog", { name: "Afterwards?" }).waitFor();
    assert.equal((await call("GET", `${person.path}/Challenges/${next}`)).body.status, "pending");
  });

  test("are muted: new ones are listed and do not open, also in other tabs and after a reload, until the person ends it", async (t) => {
    const { page, person } = await asked(t, "One?", "Two?");
    await page.locator("#prompt").getByRole("button", { name: "Mute", disabled: false }).click();
    await page.locator("#prompt").getByRole("button", { name: "Decide later" }).click();
    await page.getByText(/^Muted until .*: new questions are listed here/).waitFor();
    assert.equal(await page.locator("#prompt").isVisible(), false, "the other one does not open either");
    await person.ask("While muted?");
    await page.getByRole("button", { name: /While muted\?/ }).waitFor();
    assert.equal(await page.locator("#prompt").isVisible(), false);
    const other = await page.context().newPage();
    // However long the browser takes to read that they are muted: here until the question would have opened.
    await page.evaluate(async () => {
      const request = indexedDB.open("countersign");
      const { result } = await new Promise((resolve) => (request.onsuccess = ({ target }) => resolve(target)));
      const settings = result.transaction("settings", "readwrite").objectStore("settings");
      globalThis.keptFromReading = true;
      const keep = () => globalThis.keptFromReading && (settings.get("muted").onsuccess = keep);
      keep();
    });
    await other.goto(page.home);
    const opened = other.getByRole("dialog").waitFor({ timeout: 2_000 });
    await assert.rejects(opened, /Timeout/);
    await page.evaluate(() => (globalThis.keptFromReading = false));
    await other.getByRole("button", { name: /While muted\?/ }).waitFor();
    assert.equal(await other.locator("#prompt").isVisible(), false);
    await other.getByRole("button", { name: "Unmute" }).click();
    await other.getByRole("dialog").waitFor();
    await page.getByRole("dialog").waitFor();
    assert.equal(await page.getByText("Muted until").count(), 0);
  });
});

describe("a question to all devices of a person", () => {
  const scene = stage();

  /** Another device of a person. */
  async function another(t, person) {
    const page = await visit(scene, t);
    await enrol(page, await person.link({ url: new URL(page.home).origin }));
    await page.getByText("Connected while this page").waitFor();
    return page;
  }

  test("that one of them answers closes at the others, which say so, also later in their history", async (t) => {
    const first = await visit(scene, t);
    const person = await ann(scene, first);
    const other = await another(t, person);
    const away = await another(t, person);
    await away.goto("about:blank");
    const [asked] = await person.askAll("On which device?");
    const sheet = other.getByRole("dialog", { name: "On which device?" });
    await sheet.waitFor();
    await first.getByRole("dialog", { name: "On which device?" }).getByRole("button", { name: "Approve", disabled: false }).click();
    assert.equal(await person.outcome(asked.sid), "approved");
    await noticed(other, "Answered on another device: On which device?");
    await sheet.waitFor({ state: "hidden" });
    assert.equal(await other.locator(".notice.bad").count(), 0, "no alarm");
    await other.locator("#history-list").getByText("On another device").waitFor();
    await first.locator("#history-list").getByText("Approved", { exact: true }).waitFor();
    await away.goto(away.home);
    await away.locator("#history-list").getByText("On another device").waitFor();
  });

  test("says so by the stream alone, without a request that waits", async (t) => {
    const first = await visit(scene, t);
    const person = await ann(scene, first);
    const other = await another(t, person);
    await other.route(/WaitSeconds/, (route) => route.abort());
    await person.askAll("By the stream?");
    await other.getByRole("dialog", { name: "By the stream?" }).waitFor();
    await first.getByRole("dialog", { name: "By the stream?" }).getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    await noticed(other, "Answered on another device: By the stream?");
  });
});

describe("a question after several without an approval", () => {
  const scene = stage();

  async function alreadyAsked(t, page) {
    await call("POST", `${scene.app.path}/Protection`, { QuietAfter: 1 });
    t.after(() => call("POST", `${scene.app.path}/Protection`, { QuietAfter: "" }));
    const person = await ann(scene, page);
    const sid = await person.ask("A loud one?");
    await page.getByRole("dialog", { name: "A loud one?" }).getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    assert.equal(await person.outcome(sid), "denied");
    return person;
  }

  for (const [how, isCut] of [
    ["the stream", false],
    ["asking the server", true],
  ]) {
    test(`that arrives by ${how} is listed, and opens when it is tapped`, async (t) => {
      const page = await visit(scene, t);
      const person = await alreadyAsked(t, page);
      if (isCut) {
        await page.routeWebSocket(/Stream/, (socket) => socket.close());
        await page.reload();
      }
      const sid = await person.ask("A quiet one?");
      if (isCut) await page.reload();
      const row = page.getByRole("button", { name: /A quiet one\?/ });
      await row.waitFor();
      assert.equal(await page.locator("#prompt").isVisible(), false);
      assert.equal(await row.count(), 1);
      await row.click();
      await page.getByRole("dialog", { name: "A quiet one?" }).getByRole("button", { name: "Approve", disabled: false }).click();
      assert.equal(await person.outcome(sid), "approved");
      await person.ask("Loud again?");
      if (isCut) await page.reload();
      await page.getByRole("dialog", { name: "Loud again?" }).waitFor();
    });
  }
});
