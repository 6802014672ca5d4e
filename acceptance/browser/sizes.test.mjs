// The page in every state, size, colour scheme and zoom: no violation of axe's rules, nothing wider than the window, no two
// buttons with one name.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { eye, shared, views } from "./look.mjs";
import { NARROW } from "./narrow.mjs";
import { Application, call, dismissAll, enrol, hold, readOn, stage, visit } from "./stage.mjs";

/** The narrow windows come first: there a question is seen in part only. */
const VIEWS = {
  ...Object.fromEntries(
    Object.entries(NARROW).map(([name, { viewport, text = 1 }]) => [
      name.replaceAll(/\W+/g, "-"),
      { ...viewport, text: `${text * 100}%`, colorScheme: "light" },
    ]),
  ),
  ...views({ 360: { width: 360, height: 740 }, 768: { width: 768, height: 1024 }, 1440: { width: 1440, height: 900 } }),
  "forced-colours": { width: 360, height: 740, forcedColors: "active", colorScheme: "light" },
  "forced-colours-dark": { width: 1440, height: 900, forcedColors: "active", colorScheme: "dark" },
};

const FIELDS = [
  ["Amount", "4,000.00 EUR"],
  ["To", "Ferry Lines Ltd., Rua das Flores 12, Lisbon"],
  ["Reference", "Invoice 2026-11-0042, of the fourth of November, for the crossing of two lorries"],
];

describe("the page", () => {
  const scene = stage();
  let look;
  before(async () => {
    look = await eye();
  });

  test("has no barrier", async (t) => {
    const first = NARROW["at 400 % zoom"];
    const page = await visit(scene, t, { ...first, reducedMotion: "reduce", timezoneId: "Europe/Lisbon" });
    const shot = (name, also = async () => {}) =>
      look.around(page, name, VIEWS, async () => {
        await also();
        assert.deepEqual(await shared(page), [], `${name}: names of several buttons`);
      });
    const app = await Application.create("Harbour Bank");
    t.after(() => app.remove());
    await call("POST", app.path, { "Push.IncludeDate": "true" });

    await page.goto(page.home);
    await page.getByRole("heading", { name: "Answer logins" }).waitFor();
    await shot("welcome");
    const person = app.person("sam-porter");
    await page.goto(await person.link());
    await page.getByRole("heading", { name: "Answer for Harbour Bank" }).waitFor();
    await shot("enrol");
    await enrol(page, await person.link());
    await page.getByText("Connected while this page").waitFor();
    await dismissAll(page);
    await shot("ready");

    await person.ask("Pay 4,000.00 EUR to Ferry Lines?", { fields: FIELDS, seconds: 3_000 });
    const sheet = page.locator("#prompt");
    await sheet.getByRole("button", { name: "Deny", exact: true, disabled: false }).waitFor();
    await shot("question");
    await shot("question-end", () => sheet.locator("#approve").scrollIntoViewIfNeeded());
    await readOn(sheet);
    await page.route("**/Challenges/YC*", (route) => route.abort());
    await sheet.getByRole("button", { name: "Approve", exact: true, disabled: false }).click();
    await sheet.getByText("your answer was not sent").waitFor();
    await shot("not-sent");
    await page.unroute("**/Challenges/YC*");
    await hold(page);
    await sheet.getByRole("button", { name: "Approve", exact: true, disabled: false }).click();
    await page.getByText("Approved: ").waitFor();
    await shot("approved");
    await page.getByText("Approved: ").waitFor();
    await dismissAll(page);

    for (const message of ["Log in from Lisbon?", "Change your address to 7 Quay Street?"]) {
      await person.ask(message, { fields: FIELDS, seconds: 3_000 });
      await sheet.getByRole("button", { name: "Decide later", disabled: false }).click();
    }
    await page.getByRole("heading", { name: "Waiting for your answer" }).waitFor();
    await shot("waiting");
    await page.getByRole("button", { name: "Pause updates" }).click();
    await page.getByRole("banner").getByText("Updates are paused").waitFor();
    await shot("paused");
    await page.getByRole("button", { name: "Resume updates" }).click();

    await page.getByRole("button", { name: "Edit Harbour Bank" }).click();
    await shot("edit");
    await page.getByRole("button", { name: "Remove this account" }).click();
    await shot("remove");
    await page.getByRole("button", { name: "Keep it" }).click();
    await page.getByRole("button", { name: "Cancel" }).click();

    await page.context().setOffline(true);
    await page.getByRole("banner").getByText("Offline").waitFor();
    await shot("offline");
    await page.context().setOffline(false);
    await call("DELETE", `${person.path}/Factors/${(await person.factor()).sid}`);
    await page.getByRole("heading", { name: "Nobody can ask you here" }).waitFor();
    await shot("removed-at-the-server");
  });

  test("can be paused: what changes by itself stands still, and questions are listed instead of opened", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    await enrol(page, await person.link());
    await page.getByText("Connected while this page").waitFor();
    await page.getByRole("button", { name: "Pause updates" }).click();
    await page.getByText("The accounts are shown as they were when you paused").waitFor();
    assert.equal(await page.getByText("Nothing to answer").count(), 0, "that could be over");
    const sid = await person.ask("While paused?");
    await page.getByRole("button", { name: /While paused\?/ }).waitFor();
    assert.equal(await page.locator("#prompt").isVisible(), false);
    await page.getByRole("button", { name: /While paused\?/ }).click();
    await page
      .locator("#prompt")
      .getByText(/^Valid until \d\d:\d\d:\d\d$/)
      .waitFor();
    await page.locator("#prompt").getByRole("button", { name: "Deny", disabled: false }).click();
    assert.equal(await person.outcome(sid), "denied");
    await page.getByRole("button", { name: "Resume updates" }).click();
    await page.getByRole("banner").getByText("Connected").waitFor();
  });
});
