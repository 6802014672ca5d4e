// The timeline and the search of the console, by the keyboard alone, in every size and colour.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { eye } from "./look.mjs";
import { operator } from "./operator.mjs";
import { ann, stage, visit } from "./stage.mjs";

/** Presses Tab until the focus is on an element that fits. */
async function tabTo(page, selector) {
  for (let at = 0; at < 120; at += 1) {
    await page.keyboard.press("Tab");
    if (await page.evaluate((selector) => document.activeElement.matches(selector), selector)) return;
  }
  assert.fail(`${selector} is not reached`);
}

describe("the timeline", () => {
  const scene = stage();
  let look;
  before(async () => {
    look = await eye();
  });

  test("is filtered, searched and exported by the keyboard alone", async (t) => {
    const person = await ann(scene, await visit(scene, t));
    await person.ask(`=Pay 3 EUR? ${person.identity}`);
    const sid = await person.ask(`Log in ${person.identity}?`);
    const page = await operator(scene, t);
    await page.goto(`${page.console}/timeline`);
    await tabTo(page, "#filters summary");
    await page.keyboard.press("Enter");
    await tabTo(page, "#message");
    // Others are asked meanwhile whether they log in.
    const begun = `log IN ${person.identity.slice(0, 8)}`;
    await page.keyboard.type(begun);
    await page.keyboard.press("Enter");
    await page.waitForURL(`${page.console}/timeline?message=${begun.replaceAll(" ", "+")}`);
    await page.getByRole("link", { name: `Remove message: ${begun}` }).waitFor();
    assert.equal(await page.locator(".line").filter({ hasText: "=Pay" }).count(), 0);
    await tabTo(page, ".line-question");
    const exact = await page.evaluate(() => {
      const time = document.activeElement.closest(".line").querySelector("time");
      return [time.title, getComputedStyle(time, "::after").content];
    });
    assert.match(exact[0], /\d\d:\d\d:\d\d \S+ · \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC$/);
    assert.equal(exact[1], JSON.stringify(exact[0]), "it shows with the focus");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: /^Log in / }).waitFor();
    assert.match(page.url(), new RegExp(`${sid}$`));

    await page.goto(`${page.console}/timeline?service=${scene.app.sid}`);
    await tabTo(page, "a[download]");
    const saved = page.waitForEvent("download");
    await page.keyboard.press("Enter");
    const csv = await readFile(await (await saved).path(), "utf8");
    assert.match(csv, /^"sid","date_created"/);
    assert.ok(csv.includes(`"'=Pay 3 EUR? ${person.identity}"`), csv);

    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "find");
    await page.keyboard.type(`${person.identity.slice(0, 14)}/`);
    assert.equal(await page.locator("#find").inputValue(), `${person.identity.slice(0, 14)}/`, "a text may hold the key");
    await page.keyboard.press("Backspace");
    await page.keyboard.press("Enter");
    await page.waitForURL(`${page.console}/search?q=${person.identity.slice(0, 14)}`);
    await tabTo(page, "main a");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: person.identity }).waitFor();
    await tabTo(page, "#slash");
    await page.keyboard.press("Enter");
    await page.keyboard.press("/");
    assert.equal(await page.evaluate(() => document.activeElement.id), "slash");
    await page.getByRole("button", { name: "Turn it on" }).waitFor();
  });

  test("copies SIDs and commands", async (t) => {
    const person = await ann(scene, await visit(scene, t));
    const sid = await person.ask(`Copy it? ${person.identity}`);
    const page = await operator(scene, t, { permissions: ["clipboard-read", "clipboard-write"] });
    // A clock that stands: the button says only for a moment that it has copied.
    await page.clock.install();
    await page.goto(`${page.console}/challenges/${sid}`);
    await page.clock.pauseAt(Date.now() + 60_000);
    await page.getByRole("button", { name: `Copy ${sid}` }).click();
    await page.getByText("Copied").waitFor();
    await page.clock.resume();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), sid);
    await page.getByText("The commands that ask this again and read it").click();
    await page.getByRole("button", { name: "Copy the command that reads" }).click();
    await page.waitForFunction(async () => (await navigator.clipboard.readText()).startsWith("curl '"));
    const command = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(command.includes(`/Challenges/${sid}'`) && command.includes("$AUTH_TOKEN"), command);
  });

  test("has no barrier in any state, and fits", async (t) => {
    const person = await ann(scene, await visit(scene, t));
    await ann({ app: { ...scene.app, person: () => person } }, await visit(scene, t));
    const [{ sid }] = await person.askAll(`On all devices? ${person.identity}`);
    const page = await operator(scene, t, { reducedMotion: "reduce" });
    const shot = (what) => look.around(page, `console-${what}`);
    await page.goto(`${page.console}/timeline?message=On&service=${scene.app.sid}`);
    await page.getByRole("link", { name: "Remove message: On" }).waitFor();
    await shot("timeline-filtered");
    await person.ask(`On and on? ${person.identity}`);
    await page.getByRole("button", { name: "1 new" }).waitFor();
    await shot("timeline-new");
    await page.goto(`${page.console}/timeline?status=done&from=x`);
    await page.getByText("must be pending, expired, approved or denied").waitFor();
    await shot("timeline-wrong");
    await page.goto(`${page.console}/search?q=${person.identity.slice(0, 8)}`);
    await page.getByRole("main").getByRole("link").first().waitFor();
    await shot("search-people");
    await page.goto(`${page.console}/search`);
    await shot("search-empty");
    await page.goto(`${page.console}/challenges/${sid}`);
    await page.getByText("The commands that ask this again and read it").click();
    await page.getByLabel("The challenges of the group").getByRole("link").first().waitFor();
    await shot("challenge-of-group");
  });
});
