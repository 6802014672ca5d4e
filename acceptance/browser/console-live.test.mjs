// Live pages of the console, while a person reads them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { operator } from "./operator.mjs";
import { ann, stage, visit } from "./stage.mjs";

describe("a page that follows what happens", () => {
  const scene = stage();

  /** The timeline, with some rows of a person, and that person. */
  async function timeline(t, options) {
    const person = await ann(scene, await visit(scene, t));
    for (const message of ["The first?", "The second?", "The third?"]) await person.ask(`${message} ${person.identity}`);
    const page = await operator(scene, t, options);
    await page.getByRole("link", { name: "Timeline" }).click();
    const row = (message) => page.getByRole("listitem").filter({ hasText: `${message} ${person.identity}` }).first();
    for (const message of ["The first?", "The third?"]) await row(message).getByText("The device has it.").waitFor();
    /** Opens a challenge, and waits until the page shows it. */
    const happen = async (message) => {
      await person.ask(`${message} ${person.identity}`);
      await row(message).getByText("The device has it.").waitFor();
    };
    return { page, person, row, happen };
  }

  test("leaves focus and selection where they are", async (t) => {
    const { page, row, happen } = await timeline(t);
    const link = row("The second?").getByRole("link").first();
    await link.focus();
    await link.evaluate((element) => (globalThis.seen = element));
    const sentence = row("The first?").getByText("The device has it.");
    await sentence.evaluate((element) => getSelection().selectAllChildren(element));
    const selected = await page.evaluate(() => getSelection().toString());
    assert.match(selected, /The device has it\./);
    await happen("The fourth?");
    await happen("The fifth?");
    assert.equal(await page.evaluate(() => getSelection().toString()), selected);
    assert.equal(await page.evaluate(() => document.activeElement === globalThis.seen && globalThis.seen.isConnected), true);
  });

  test("keeps what is selected, even where it has changed", async (t) => {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const sid = await person.ask(`Is it you? ${person.identity}`);
    const page = await operator(scene, t);
    await page.goto(`${page.console}/challenges/${sid}`);
    await page.getByText("Push delivered").waitFor();
    await page.locator("#question + p .state").evaluate((element) => getSelection().selectAllChildren(element));
    await device.getByRole("dialog").getByRole("button", { name: "Approve", disabled: false }).click();
    await page.getByText("Approved by the person").waitFor();
    assert.equal(await page.evaluate(() => getSelection().toString()), "pending");
    await page.evaluate(() => getSelection().removeAllRanges());
    await page.locator("#question + p .state").getByText("approved").waitFor();
  });

  test("leaves a table open, and the place in the window", async (t) => {
    const { page, happen, row } = await timeline(t, { viewport: { width: 1040, height: 300 } });
    await row("The first?").evaluate((element) => scrollTo(0, element.getBoundingClientRect().top + scrollY - 40));
    const place = () => row("The first?").evaluate((element) => Math.round(element.getBoundingClientRect().top));
    const before = await place();
    await happen("The fourth?");
    assert.equal(await place(), before);

    await page.getByRole("link", { name: "Overview" }).click();
    const summary = page.getByText("As a table").first();
    await summary.click();
    const table = page.locator("details[open] table");
    await table.waitFor();
    const as_of = page.locator("#live > .hint time");
    const then = await as_of.textContent();
    await page.waitForFunction((then) => document.querySelector("#live > .hint time").textContent !== then, then);
    await table.waitFor();
  });

  test("is paused and resumed by a button, in this tab", async (t) => {
    const { page, person, row } = await timeline(t);
    await page.getByRole("button", { name: "Pause live updates" }).click();
    const resume = page.getByRole("button", { name: "Resume live updates" });
    assert.equal(await resume.evaluate((element) => element === document.activeElement), true);
    await page.getByText(/^Paused at \d\d:\d\d:\d\d UTC\.$/).waitFor();
    const sid = await person.ask(`While it is paused? ${person.identity}`);
    let requests = 0;
    page.on("request", () => (requests += 1));
    // As the timer does.
    await page.evaluate(() => globalThis.htmx.trigger("#live", "resume"));
    assert.equal(requests, 0);
    assert.equal(await row("While it is paused?").count(), 0);
    await page.getByRole("link", { name: "Overview" }).click();
    await resume.waitFor();
    await page.getByRole("link", { name: "Timeline" }).click();
    await resume.click();
    await row("While it is paused?").waitFor();
    await page.getByRole("button", { name: "Pause live updates" }).waitFor();
    await page.goto(`${page.console}/challenges/${sid}?live=no`);
    await page.getByRole("link", { name: "Resume updates" }).click();
    await page.getByRole("button", { name: "Pause live updates" }).waitFor();
  });
});
