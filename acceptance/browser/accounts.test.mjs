// Renaming, removing and stored accounts.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, enrol, stage, visit } from "./stage.mjs";

describe("an account", () => {
  const scene = stage();

  test("has a name here, and the device one that the application sees", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await page.getByRole("button", { name: "Edit Harbour Bank" }).click();
    await page.getByRole("textbox", { name: "Shown here as" }).fill("My bank");
    await page.getByRole("textbox", { name: "Name of this device" }).fill("Desk");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Edit My bank" }).waitFor();
    assert.equal((await person.factor()).friendly_name, "Desk");
    await page.reload();
    await page.getByRole("button", { name: "Edit My bank" }).click();
    assert.equal(await page.getByRole("textbox", { name: "Name of this device" }).inputValue(), "Desk");
  });

  test("that was added twice has two buttons of two names", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await enrol(page, await person.link());
    await page.locator("#accounts-list button").nth(1).waitFor();
    const factors = await person.factors();
    for (const { sid } of factors) {
      await page
        .getByRole("button", { name: `Edit Harbour Bank, ${person.identity}, device ${sid.slice(-4)}` })
        .waitFor();
    }
  });

  test("is removed here and at the server", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await person.ask("Before you go?");
    await page.getByRole("button", { name: "Decide later" }).click();
    await page.getByRole("button", { name: "Edit Harbour Bank" }).click();
    await page.getByRole("button", { name: "Remove this account" }).click();
    // The person may leave as soon as the page confirms: by then no trace of the account may be left.
    const keptWhenTold = page.evaluate(
      () =>
        new Promise((resolve) => {
          const welcome = document.getElementById("welcome");
          const look = () => welcome.hidden || resolve(Object.keys(localStorage));
          new MutationObserver(look).observe(welcome, { attributeFilter: ["hidden"] });
        }),
    );
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    assert.deepEqual(await keptWhenTold, []);
    await page.getByRole("heading", { name: "Answer logins" }).waitFor();
    assert.equal(await page.getByText("Before you go?").filter({ visible: true }).count(), 0);
    assert.deepEqual(await person.factors(), []);
    await page.reload();
    await page.getByRole("heading", { name: "Answer logins" }).waitFor();
    assert.equal(await page.getByText("The browser’s storage was cleared since").isVisible(), false);
  });

  test("remembers answered questions, until they are cleared", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const past = page.locator("#history-list").getByRole("listitem");
    for (const [message, button] of [
      ["First?", "Approve"],
      ["Second?", "Deny"],
    ]) {
      const sid = await person.ask(message);
      await page.getByRole("dialog", { name: message }).getByRole("button", { name: button }).click();
      await person.outcome(sid);
      // It is written after the dialog is gone; a reload must not be earlier.
      await past.filter({ hasText: message }).waitFor();
    }
    await page.reload();
    await past.nth(1).waitFor();
    const said = await past.allInnerTexts();
    assert.match(said[0], /Denied\s+Second\?\s+Harbour Bank/);
    assert.match(said[1], /Approved\s+First\?\s+Harbour Bank/);
    await page.getByRole("button", { name: "Clear" }).click();
    await page.locator("#history").waitFor({ state: "hidden" });
    await page.reload();
    await page.getByText("Connected while this page").waitFor();
    assert.equal(await past.count(), 0);
  });

  test("that is added or removed in one tab is so in the others", async (t) => {
    const page = await visit(scene, t);
    const other = await page.context().newPage();
    await other.goto(page.home);
    await other.getByRole("heading", { name: "Answer logins" }).waitFor();
    await ann(scene, page);
    await other.getByRole("button", { name: "Edit Harbour Bank" }).click();
    await other.getByRole("textbox", { name: "Shown here as" }).fill("Renamed elsewhere");
    await other.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Edit Renamed elsewhere" }).click();
    await page.getByRole("button", { name: "Remove this account" }).click();
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await other.getByRole("heading", { name: "Answer logins" }).waitFor();
  });
});
