// Every page and sheet, in light and dark, on a phone and on a desktop: no barrier that axe knows of, nothing that runs
// out of a phone's 360 pixels; and a picture of each, for people to look at.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { before, describe, test } from "node:test";
import { ann, enrol, stage, visit } from "./stage.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PICTURES = fileURLToPath(new URL("../../.cache/pictures/", import.meta.url));

const DEVICES = {
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true },
  desktop: { viewport: { width: 1040, height: 860 } },
};

describe("every page", () => {
  const scene = stage();
  let axe;
  before(async () => {
    axe = await readFile(AXE, "utf8");
    await mkdir(PICTURES, { recursive: true });
  });

  /** Looks at what is shown, as axe does and as a person does. */
  async function look(page, name) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() =>
      globalThis.axe.run(document, {
        runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
      }),
    );
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
    );
    assert.deepEqual(found, [], name);
    const overhang = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overhang <= 0, `${name} is ${overhang} pixels too wide`);
    await page.screenshot({ path: `${PICTURES}${name}.png`, animations: "disabled" });
  }

  for (const colorScheme of ["light", "dark"]) {
    for (const [device, options] of Object.entries(DEVICES)) {
      test(`${colorScheme}, ${device}`, async (t) => {
        const page = await visit(scene, t, { colorScheme, reducedMotion: "reduce", ...options });
        const shot = (name) => look(page, `${name}-${device}-${colorScheme}`);
        await page.goto(page.home);
        await page.getByRole("heading", { name: "Answer logins" }).waitFor();
        await shot("welcome");
        await page.getByRole("button", { name: "Add an account" }).click();
        await shot("add");
        await page.getByRole("button", { name: "Cancel" }).click();

        const bad = scene.app.person();
        await page.goto((await bad.link()).replace(/token=.*?&/, "token=broken&"));
        await page.getByRole("button", { name: "Add this device" }).click();
        await page.getByText("damaged on its way").waitFor();
        await shot("bad-link");
        await page.getByRole("button", { name: "Close" }).click();

        const person = scene.app.person("sam-porter");
        await page.goto(await person.link());
        await page.getByRole("heading", { name: "Answer for Harbour Bank" }).waitFor();
        await shot("enrol");
        await page.getByRole("button", { name: "Add this device" }).click();
        await page.getByText("Connected while this page").waitFor();
        await page.getByRole("button", { name: "Dismiss" }).click();
        await shot("ready");

        const fields = [
          ["Place", "Lisbon, Portugal"],
          ["Device", "Firefox on Linux"],
          ["Address", "203.0.113.24"],
        ];
        await person.ask("Log in to Harbour Bank?", { fields });
        await page.getByRole("button", { name: "Approve", disabled: false }).waitFor();
        await shot("prompt");
        await page.getByRole("button", { name: "Approve" }).click();
        await page.getByText("Approved: ").waitFor();
        await shot("approved");
        await page.getByRole("button", { name: "Dismiss" }).click();

        await person.ask("Pay 40 EUR to Ferry Lines?");
        await page.getByRole("button", { name: "Deny", disabled: false }).click();
        await page.getByRole("button", { name: "Dismiss" }).click();
        await enrol(page, await scene.app.person("spotter-77").link({ name: "Owl Club" }));
        await page.getByRole("listitem").filter({ hasText: "Owl Club" }).getByText("Connected while").waitFor();
        await page.getByRole("button", { name: "Dismiss" }).click();
        await shot("home");
        await person.ask("Change your address to 7 Quay Street?", { factor: await person.factor() });
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
    }
  }
});
