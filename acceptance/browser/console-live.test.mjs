// Live pages of the console, while a person reads them.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Cable } from "./cable.mjs";
import { operator } from "./operator.mjs";
import { ann, stage, visit } from "./stage.mjs";

describe("a page that follows what happens", () => {
  const scene = stage();

  /** The timeline, with some lines of a person, and that person. */
  async function timeline(t, options) {
    const person = await ann(scene, await visit(scene, t));
    for (const message of ["The first?", "The second?", "The third?"]) await person.ask(`${message} ${person.identity}`);
    const page = await operator(scene, t, options);
    await page.goto(`${page.console}/timeline?service=${scene.app.sid}`);
    const line = (message) => page.locator(".line").filter({ hasText: `${message} ${person.identity}` });
    for (const message of ["The first?", "The second?", "The third?"]) await line(message).getByText("delivered").waitFor();
    /** Opens a challenge, and waits until the page counts it among the new ones. */
    const happen = async (message, count) => {
      await person.ask(`${message} ${person.identity}`);
      await page.getByRole("button", { name: `${count} new` }).waitFor();
    };
    return { page, person, line, happen };
  }

  test("leaves focus and selection where they are, and shows new lines when asked", async (t) => {
    const { page, line, happen } = await timeline(t);
    const link = line("The second?").getByRole("link").first();
    await link.focus();
    await link.evaluate((element) => (globalThis.seen = element));
    const words = line("The first?").locator(".line-push");
    await words.evaluate((element) => getSelection().selectAllChildren(element));
    const selected = await page.evaluate(() => getSelection().toString());
    assert.match(selected, /delivered/);
    const before = await page.locator(".line").count();
    await happen("The fourth?", 1);
    await happen("The fifth?", 2);
    assert.equal(await page.evaluate(() => getSelection().toString()), selected);
    assert.equal(await page.evaluate(() => document.activeElement === globalThis.seen && globalThis.seen.isConnected), true);
    assert.equal(await page.locator(".line").count(), before);
    assert.match(await page.title(), /^\(2 new\) Timeline/);
    await page.getByRole("button", { name: "2 new" }).focus();
    await page.keyboard.press("Enter");
    await line("The fourth?").waitFor();
    assert.match(await page.evaluate(() => document.activeElement.textContent), /^The fifth\?/);
    await page.getByRole("button", { name: /new$/ }).waitFor({ state: "hidden" });
  });

  test("changes a line in place", async (t) => {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const message = `Is it in place? ${person.identity}`;
    await person.ask(message);
    const page = await operator(scene, t);
    await page.goto(`${page.console}/timeline?service=${scene.app.sid}`);
    const line = page.locator(".line").filter({ hasText: message });
    await line.getByText("pending").waitFor();
    await line.evaluate((element) => (globalThis.line = element));
    await device.getByRole("dialog").getByRole("button", { name: "Approve", disabled: false }).click();
    await line.getByText("approved").waitFor();
    await line.getByText(/answered in/).waitFor();
    assert.equal(await page.evaluate(() => globalThis.line.isConnected), true);
  });

  test("keeps the selection, even where the text has changed", async (t) => {
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
    const { page, happen, line } = await timeline(t, { viewport: { width: 1040, height: 300 } });
    await line("The first?").evaluate((element) => scrollTo(0, element.getBoundingClientRect().top + scrollY - 80));
    const place = () => line("The first?").evaluate((element) => Math.round(element.getBoundingClientRect().top));
    const before = await place();
    await happen("The fourth?", 1);
    assert.equal(await place(), before);

    await page.getByRole("link", { name: "Overview" }).click();
    const summary = page.getByText("As a table").first();
    // A challenge is counted half a minute after it was asked.
    await summary.click({ timeout: 120_000 });
    const table = page.locator("details[open] table");
    await table.waitFor();
    const as_of = page.locator("#attention > p time");
    const then = await as_of.textContent();
    await page.waitForFunction((then) => document.querySelector("#attention > p time").textContent !== then, then);
    await table.waitFor();
  });

  test("opens a stream again that has become silent", async (t) => {
    const cable = await Cable.lay(t);
    const person = await ann(scene, await visit(scene, t));
    await person.ask(`Before the silence? ${person.identity}`);
    const page = await operator(scene, t, { url: cable.url });
    await page.clock.install();
    const opened = () => page.waitForRequest(/\/timeline\/live/);
    await Promise.all([opened(), page.goto(`${page.console}/timeline?service=${scene.app.sid}`)]);
    await person.ask(`Is it heard? ${person.identity}`);
    await page.getByRole("button", { name: "1 new" }).waitFor();
    cable.hush();
    await person.ask(`In the silence? ${person.identity}`);
    await Promise.all([opened(), page.clock.fastForward(46_000)]);
    await page.getByText("The server does not answer. Reconnecting…").waitFor();
    cable.speak();
    await page.getByRole("button", { name: "2 new" }).waitFor();
    await page.getByText("Reconnecting…").waitFor({ state: "hidden" });
  });

  test("shows times in the zone of its reader, with UTC beside them", async (t) => {
    const page = await operator(scene, t, { timezoneId: "America/New_York" });
    await page.goto(`${page.console}/sessions`);
    const shown = page.locator("main time").first();
    const machine = await shown.getAttribute("datetime");
    const form = { dateStyle: "medium", timeStyle: "medium", timeZone: "America/New_York" };
    const own = new Intl.DateTimeFormat("en-GB", form).format(new Date(machine));
    const [text] = await shown.allInnerTexts();
    assert.ok(text.startsWith(`${own} (`) && text.endsWith(`${machine.slice(11, 19)} UTC)`), text);
    await page.getByText("Times are yours (America/New_York), with UTC beside them.").waitFor();

    // What is typed is the reader's time, and is sent as UTC.
    await page.goto(`${page.console}/timeline`);
    await page.locator("#filters summary").click();
    await page.getByText("Your time (America/New_York), such as 2026-01-31 09:00").waitFor();
    await page.getByLabel("From", { exact: true }).fill("2026-01-31 09:00");
    await page.getByLabel("Before", { exact: true }).fill("2026-07-01");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.waitForURL(`${page.console}/timeline?from=2026-01-31T14%3A00%3A00Z&to=2026-07-01T04%3A00%3A00Z`);
    await page.getByRole("link", { name: "Remove from: 31 Jan 2026, 09:00:00 (14:00:00 UTC)" }).waitFor();
    assert.equal(await page.getByLabel("From", { exact: true }).inputValue(), "2026-01-31 09:00");
    assert.equal(await page.getByLabel("Before", { exact: true }).inputValue(), "2026-07-01 00:00");
    await page.goto(`${page.console}/timeline?from=yesterday`);
    assert.equal(await page.getByLabel("From", { exact: true }).inputValue(), "yesterday");
    await page.getByText("From must be a time such as 2026-01-31 09:00.").waitFor();

    const here = await operator(scene, t, { timezoneId: "UTC" });
    await here.goto(`${here.console}/sessions`);
    assert.match((await here.locator("main time").first().innerText()).trim(), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  });

  test("is paused and resumed by a button, in this tab", async (t) => {
    const { page, person } = await timeline(t);
    await page.getByRole("button", { name: "Pause live updates" }).click();
    const resume = page.getByRole("button", { name: "Resume live updates" });
    assert.equal(await resume.evaluate((element) => element === document.activeElement), true);
    await page.getByText(/^Paused at \d\d:\d\d:\d\d UTC\.$/).waitFor();
    const watched = [];
    page.on("request", (request) => watched.push(request.url()));
    const sid = await person.ask(`While it is paused? ${person.identity}`);
    // A hidden tab that is shown again would follow, but for the pause.
    await page.evaluate(() => document.dispatchEvent(new Event("visibilitychange")));
    assert.deepEqual(watched, []);
    await resume.click();
    await page.getByRole("button", { name: "1 new" }).waitFor();
    await page.getByRole("button", { name: "Pause live updates" }).click();
    await page.getByRole("link", { name: "Overview" }).click();
    await resume.waitFor();
    await resume.click();
    await page.getByRole("button", { name: "Pause live updates" }).waitFor();
    await page.goto(`${page.console}/challenges/${sid}?live=no`);
    await page.getByRole("link", { name: "Resume updates" }).click();
    await page.getByRole("button", { name: "Pause live updates" }).waitFor();
  });
});
