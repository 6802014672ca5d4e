// Every page and sheet, in light and dark, on a phone and on a desktop: no violation of axe's rules, nothing wider than a
// phone’s 360 pixels.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { server } from "../node/wire.mjs";
import { eye, views } from "./look.mjs";
import { Application, call, dismissAll, enrol, hold, noticed, stage, visit } from "./stage.mjs";

const VIEWS = views({ phone: { width: 360, height: 740 }, desktop: { width: 1040, height: 860 } });

describe("every page", () => {
  const scene = stage();
  let look;
  before(async () => {
    look = await eye();
  });

  test("is animated, unless reduced motion is preferred", async (t) => {
    for (const [reducedMotion, moves] of [
      ["no-preference", true],
      ["reduce", false],
    ]) {
      const page = await visit(scene, t, { reducedMotion });
      const style = (selector, name) =>
        page
          .locator(selector)
          .first()
          .evaluate((element, name) => getComputedStyle(element)[name], name);
      await page.goto(page.home);
      await page.getByRole("button", { name: "Add an account" }).click();
      assert.equal((await style("#add", "animationName")) !== "none", moves);
      await page.goto(`${server.url}/console`);
      assert.equal((await style("main button", "transitionDuration")) !== "0s", moves);
    }
  });

  test("has no barrier, and fits", async (t) => {
    const page = await visit(scene, t, { reducedMotion: "reduce" });
    const shot = (name) => look.around(page, name, VIEWS);
    await page.goto(page.home);
    await page.getByRole("heading", { name: "Answer logins" }).waitFor();
    await shot("welcome");
    await page.getByRole("button", { name: "Add an account" }).click();
    await shot("add");
    await page.getByRole("button", { name: "Cancel" }).click();

    const bad = scene.app.person();
    await page.goto((await bad.link()).replace(/token=[^&]*/, "token=broken"));
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("damaged on its way").waitFor();
    await shot("bad-link");
    await page.getByRole("button", { name: "Close" }).click();

    const person = scene.app.person("sam-porter");
    await page.goto(await person.link());
    await page.getByRole("heading", { name: "Answer for Harbour Bank" }).waitFor();
    await shot("enrol");
    await enrol(page, await person.link());
    await page.getByText("Connected while this page").waitFor();
    await dismissAll(page);
    await shot("ready");

    const fields = [
      ["Place", "Lisbon, Portugal"],
      ["Device", "Firefox on Linux"],
      ["Address", "203.0.113.24"],
    ];
    await person.ask("Log in to Harbour Bank?", { fields, seconds: 3_000 });
    await page.getByRole("button", { name: "Approve", disabled: false }).waitFor();
    await shot("prompt");
    await hold(page);
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByText("Approved: ").waitFor();
    await shot("approved");
    await page.getByText("Approved: ").waitFor();
    await dismissAll(page);

    for (const presence of ["number", "pick"]) {
      await call("POST", `${scene.app.path}/Protection`, { Presence: presence });
      await person.ask("Log in to Harbour Bank?", { fields: fields.slice(0, 2), seconds: 3_000 });
      await page.getByRole("button", { name: "Deny", exact: true, disabled: false }).waitFor();
      await shot(presence);
      await page.getByRole("button", { name: "Deny", exact: true }).click();
      await noticed(page, "Denied: ");
      await dismissAll(page);
    }
    await call("POST", `${scene.app.path}/Protection`, { Presence: "" });

    await person.ask("Pay 40 EUR to Ferry Lines?");
    await page.getByRole("button", { name: "Deny", disabled: false }).click();
    await noticed(page, "Denied: ");
    await dismissAll(page);
    const club = await Application.create("Owl Club");
    t.after(() => club.remove());
    await enrol(page, await club.person("spotter-77").link());
    await page.getByRole("listitem").filter({ hasText: "Owl Club" }).getByText("Connected while").waitFor();
    await dismissAll(page);
    await shot("home");
    await person.ask("Change your address to 7 Quay Street?", { factor: await person.factor(), seconds: 3_000 });
    await page.getByRole("button", { name: "Decide later", disabled: false }).click();
    await page.getByRole("heading", { name: "Waiting for your answer" }).waitFor();
    await shot("waiting");

    await page.getByRole("button", { name: "Edit Harbour Bank" }).click();
    await shot("edit");
    await page.getByRole("button", { name: "Remove this account" }).click();
    await shot("remove");
    await page.getByRole("button", { name: "Remove", exact: true }).click();
    await page.getByText("Harbour Bank").first().waitFor({ state: "hidden" });
  });
});
