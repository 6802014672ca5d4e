// The history on the device: also what was asked while the page was closed and nobody answered.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, stage, visit } from "./stage.mjs";

describe("the history", () => {
  const scene = stage();

  test("has the questions that were asked while the page was closed, and is searched by any of their words", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await page.goto("about:blank");
    const sids = [];
    for (const place of ["Lisbon", "Porto", "Faro", "Évora", "Braga", "Coimbra"]) {
      const fields = [
        ["Application", "Ferry tickets"],
        ["Place", place],
        ["Address", "203.0.113.7"],
      ];
      sids.push(await person.ask(`Log in from ${place}?`, { seconds: 5, fields }));
    }
    for (const sid of sids) assert.equal(await person.outcome(sid), "expired");
    await page.goto(page.home);
    const entries = page.locator("#history-list").getByRole("listitem");
    await entries.nth(sids.length - 1).waitFor();
    await entries.filter({ hasText: "Log in from Lisbon?" }).getByText("Expired").waitFor();
    const entry = entries.filter({ hasText: "Log in from Porto?" });
    for (const text of ["Application: Ferry tickets", "Place: Porto", "Address: 203.0.113.7", "Harbour Bank"])
      await entry.getByText(text).waitFor();
    assert.match(await entry.locator("time").getAttribute("datetime"), /^\d{4}-/);

    const search = page.getByLabel("Search the history");
    await search.fill("evora TICKETS");
    await entries.filter({ hasText: "Log in from Évora?" }).waitFor();
    assert.equal(await entries.count(), 1);
    await search.fill("approved");
    await page.getByText("Nothing found.").waitFor();
    assert.equal(await entries.count(), 0);
    await search.fill("");
    assert.equal(await entries.count(), 6);

    await page.getByRole("button", { name: "Clear the history" }).click();
    await page.locator("#history").waitFor({ state: "hidden" });
    await page.reload();
    await page.getByText("Connected while this page").waitFor();
    const sid = await person.ask("After the clearing?");
    await page.getByRole("button", { name: "Approve", disabled: false }).click();
    assert.equal(await person.outcome(sid), "approved");
    await entries.first().waitFor();
    assert.equal(await entries.count(), 1, "a cleared value stays cleared");
  });
});
