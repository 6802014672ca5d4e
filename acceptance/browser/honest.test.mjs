// The page's messages are true: whether an answer arrived, whether questions can arrive, and why not.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { server } from "../node/wire.mjs";
import { Cable } from "./cable.mjs";
import { ann, call, enrol, noticed, stage, visit } from "./stage.mjs";

describe("an answer", () => {
  const scene = stage();

  /** Ann with a question; and the outcome of each answer that her page sends, in order. */
  async function asked(t, message, ...outcomes) {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const sid = await person.ask(message);
    const sheet = page.getByRole("dialog", { name: message });
    const sent = [];
    await page.route(`**/Challenges/${sid}`, async (route) => {
      if (route.request().method() !== "POST") return route.continue();
      const outcome = outcomes[sent.length] ?? "arrives";
      sent.push(outcome);
      if (outcome === "arrives") return route.continue();
      if (outcome === "loses its response") await route.fetch();
      return route.abort("connectionreset");
    });
    const press = (name) => sheet.getByRole("button", { name, disabled: false }).click();
    return { page, person, sid, sheet, sent, press };
  }

  test("that arrived counts as given, although its response was lost", async (t) => {
    const { page, person, sid, sheet, sent, press } = await asked(
      t,
      "Lost on its way back?",
      "loses its response",
    );
    await press("Approve");
    await sheet.waitFor({ state: "hidden" });
    await noticed(page, "Approved: Lost on its way back?");
    assert.deepEqual(sent, ["loses its response"], "it was looked up, not sent again");
    assert.equal(await person.outcome(sid), "approved");
    assert.equal(await page.getByText("was not sent").count(), 0);
  });

  test("that did not arrive is sent once more", async (t) => {
    const { person, sid, sheet, sent, press } = await asked(t, "Lost on its way there?", "is lost");
    await press("Deny");
    await sheet.waitFor({ state: "hidden" });
    assert.deepEqual(sent, ["is lost", "arrives"]);
    assert.equal(await person.outcome(sid), "denied");
  });

  test("that did not arrive twice is asked for again", async (t) => {
    const { person, sid, sheet, sent, press } = await asked(t, "Lost twice?", "is lost", "is lost");
    await press("Approve");
    await sheet.getByText("Your answer did not arrive. Please answer again.").waitFor();
    await press("Deny");
    await sheet.waitFor({ state: "hidden" });
    assert.deepEqual(sent, ["is lost", "is lost", "arrives"]);
    assert.equal(await person.outcome(sid), "denied", "the first one that arrived counts");
  });

  test("whose outcome is unknown is shown as unknown until the server is back, also over a reload", async (t) => {
    const cable = await Cable.lay(t);
    const page = await visit(scene, t, { url: cable.url });
    const person = await ann(scene, page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    const sid = await person.ask("Where is it?");
    const sheet = page.getByRole("dialog", { name: "Where is it?" });
    await page.route(`**/Challenges/${sid}`, async (route) => {
      const asked = route.request();
      if (asked.method() !== "POST") return route.continue();
      // The answer goes past the cable, cut before: no other request of the page can learn of it.
      cable.cut();
      await route.fetch({ url: asked.url().replace(cable.url, server.url) });
      return route.abort("connectionreset");
    });
    await sheet.getByRole("button", { name: "Approve", disabled: false }).click();
    await sheet.getByText("Whether it arrived is not known yet").waitFor();
    assert.equal(await page.getByText("was not sent").count(), 0);
    await page.reload();
    await page.locator("#history-list").getByText("Not known yet").waitFor();
    cable.mend();
    await page.locator("#history-list").getByText("Approved").waitFor();
    await noticed(page, "Approved: Where is it?");
    assert.equal(await person.outcome(sid), "approved");
  });

  test("that was never sent is shown as not sent", async (t) => {
    const { page, person, sid, sheet, sent, press } = await asked(t, "Offline?");
    await sheet.getByRole("button", { name: "Approve", disabled: false }).waitFor();
    await page.context().setOffline(true);
    await press("Approve");
    await sheet.getByText("This device is offline, and your answer was not sent").waitFor();
    assert.deepEqual(sent, []);
    await page.context().setOffline(false);
    await press("Approve");
    assert.equal(await person.outcome(sid), "approved");
  });
});

describe("the page", () => {
  const scene = stage();

  /** Waits until this message, and no other, is in the middle of the page. */
  function middle(page, title) {
    return page.locator("#ready").getByRole("heading", { name: title, exact: true }).waitFor();
  }

  test("says that it is offline, and not that nothing waits", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await middle(page, "Nothing to answer");
    await page.context().setOffline(true);
    await middle(page, "You are offline");
    await page.getByRole("listitem").getByText("This device is offline").waitFor();
    await page.getByRole("banner").getByText("Offline").waitFor();
    assert.equal(await page.getByText("Nothing to answer").count(), 0);
    const sid = await person.ask("Meanwhile?");
    await page.context().setOffline(false);
    await page
      .getByRole("dialog", { name: "Meanwhile?" })
      .getByRole("button", { name: "Deny", disabled: false })
      .click();
    assert.equal(await person.outcome(sid), "denied");
    await middle(page, "Nothing to answer");
  });

  test("says that the server cannot be reached, and not that nothing waits", async (t) => {
    const cable = await Cable.lay(t);
    const page = await visit(scene, t, { url: cable.url });
    await ann(scene, page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    cable.cut();
    await middle(page, "The server cannot be reached");
    assert.equal(await page.getByText("Nothing to answer").count(), 0);
    cable.mend();
    await middle(page, "Nothing to answer");
  });

  test("says that the device was removed, and takes back what it was asked", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await person.ask("Too late?");
    const sheet = page.getByRole("dialog", { name: "Too late?" });
    await sheet.waitFor();
    await call("DELETE", `${person.path}/Factors/${(await person.factor()).sid}`);
    await sheet.waitFor({ state: "hidden" });
    await page.getByText("this device was removed at the server: Too late?").waitFor();
    await middle(page, "Nobody can ask you here");
    await page
      .getByText("This device was removed at the server. Ask the application for a new enrolment link")
      .waitFor();
    assert.equal(await page.getByText("Nothing to answer").count(), 0);
  });

  test("says that notifications are blocked, and what to do", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    const key = (await call("GET", `${scene.app.path}/WebPushKey`)).body.public_key;
    await enrol(page, await person.link({ push: key }));
    await page.getByText("Connected while this page").waitFor();
    // The browser refuses without showing its question.
    await page.getByRole("dialog", { name: "Be notified" }).getByRole("button", { name: "Ask for permission" }).click();
    await page
      .getByText("Notifications are blocked for this page, so questions appear only while it is open")
      .waitFor();
  });

  test("shows when it was asked, if the service says so", async (t) => {
    const page = await visit(scene, t, { timezoneId: "Europe/Lisbon" });
    const person = await ann(scene, page);
    await call("POST", scene.app.path, { "Push.IncludeDate": "true" });
    t.after(() => call("POST", scene.app.path, { "Push.IncludeDate": "false" }));
    const sid = await person.ask("When was that?");
    const { date } = (await call("GET", `${person.path}/Challenges/${sid}`)).body.details;
    const sheet = page.getByRole("dialog", { name: "When was that?" });
    assert.equal(await sheet.locator("#prompt-date").getAttribute("datetime"), date);
    const shown = new Intl.DateTimeFormat("en-GB", {
      dateStyle: "medium",
      timeStyle: "long",
      timeZone: "Europe/Lisbon",
    });
    assert.equal(await sheet.locator("#prompt-date").innerText(), shown.format(new Date(date)));
    await sheet.getByRole("button", { name: "Approve", disabled: false }).click();
    assert.equal(await person.outcome(sid), "approved");
  });
});

describe("an enrolment", () => {
  const scene = stage();

  test("whose response was lost does not claim that nothing was added", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    await page.route("**/Factors", async (route) => {
      await route.fetch();
      await route.abort("connectionreset");
    });
    await page.goto(await person.link());
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("it is not known whether the device was added").waitFor();
    assert.equal(await page.getByText("Nothing was added").count(), 0);
    await page.unroute("**/Factors");
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("This link was used already").waitFor();
  });
});
