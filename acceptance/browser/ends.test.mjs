// How a prompt ends without an answer from the tab that shows it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, noticed, stage, visit } from "./stage.mjs";

describe("a prompt", () => {
  const scene = stage();

  test("disappears when it expires, and says so", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const sheet = page.getByRole("dialog", { name: "Quick?" });
    const sid = await person.askBriefly("Quick?", () => sheet.getByText(/^Valid for another \d:\d\d$/).waitFor());
    await sheet.waitFor({ state: "hidden" });
    await noticed(page, "Expired before it was answered: Quick?");
    assert.equal(await person.outcome(sid), "expired");
  });

  test("disappears when it is answered in another tab, which may also be closed", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const other = await page.context().newPage();
    await other.goto(page.home);
    await other.getByText("Connected in another tab").waitFor();
    const sid = await person.ask("Which of you?");
    const sheets = [page, other].map((tab) => tab.getByRole("dialog", { name: "Which of you?" }));
    await sheets[0].waitFor();
    await sheets[1].getByRole("button", { name: "Approve" }).click();
    await sheets[0].waitFor({ state: "hidden" });
    await noticed(page, "Approved elsewhere: Which of you?");
    assert.equal(await person.outcome(sid), "approved");

    await page.close();
    await other.getByText("Connected while this page is open").waitFor();
    const next = await person.ask("And now?");
    await other.getByRole("dialog", { name: "And now?" }).getByRole("button", { name: "Deny" }).click();
    assert.equal(await person.outcome(next), "denied");
  });

  test("disappears when it is answered with the same key and no other tab says so", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const sid = await person.ask("Silently?");
    await page.getByRole("dialog", { name: "Silently?" }).waitFor();
    // The page's own modules, as another device with this key would use them.
    await page.evaluate(async (sid) => {
      const app = document.querySelector("script[type=module]").src;
      const [{ accounts }, { Device }] = await Promise.all(
        ["store.js", "protocol.js"].map((name) => import(new URL(name, app))),
      );
      await new Device((await accounts())[0]).answer(sid, "denied");
    }, sid);
    await page.getByRole("dialog").waitFor({ state: "hidden" });
    await noticed(page, "Denied elsewhere: Silently?");
  });

  test("that is opened too late says why", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const factor = (await person.factor()).sid;
    const answered = await person.ask("Once?");
    await page.getByRole("button", { name: "Deny" }).click();
    assert.equal(await person.outcome(answered), "denied");
    const expired = await person.askBriefly("Twice?", () => page.getByRole("dialog", { name: "Twice?" }).waitFor());
    assert.equal(await person.outcome(expired), "expired");
    await noticed(page, "Expired before");
    for (const [sid, why] of [
      [answered, "it was denied already: Once?"],
      [expired, "it expired: Twice?"],
    ]) {
      await page.goto(`${page.home}#${new URLSearchParams({ challenge: sid, factor })}`);
      await page.getByText(`This question cannot be answered any more, ${why}`).waitFor();
    }
    await page.goto(`${page.home}#${new URLSearchParams({ challenge: `YC${"0".repeat(32)}`, factor })}`);
    await page.getByText("the application withdrew it").waitFor();
  });

  test("is not answered by the second click of two that were meant for the one before", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const first = await person.ask("First?");
    await page.getByRole("dialog", { name: "First?" }).waitFor();
    const second = await person.ask("Second?");
    await page.getByText("1 more waiting").waitFor();
    await page.getByRole("button", { name: "Approve", disabled: false }).waitFor();
    await page.evaluate(() => {
      const [approve, message] = ["approve", "prompt-message"].map((id) => document.getElementById(id));
      // As soon as the next question stands there.
      const again = new MutationObserver(() => approve.click());
      again.observe(message, { childList: true, characterData: true, subtree: true });
      approve.click();
      approve.click();
    });
    assert.equal(await person.outcome(first), "approved");
    const sheet = page.getByRole("dialog", { name: "Second?" });
    await sheet.getByRole("button", { name: "Deny", disabled: false }).click();
    assert.equal(await person.outcome(second), "denied");
  });

  test("can wait while something else is done, and is answered by keyboard alone", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const sid = await person.ask("Later?");
    const sheet = page.getByRole("dialog", { name: "Later?" });
    await sheet.getByRole("button", { name: "Approve", disabled: false }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), "prompt-message");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Escape");
    await sheet.waitFor({ state: "hidden" });
    await page.getByRole("button", { name: /Later\?.*Answer/ }).focus();
    await page.keyboard.press("Enter");
    await sheet.getByRole("button", { name: "Approve", disabled: false }).waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id), "deny");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    assert.equal(await person.outcome(sid), "approved");
  });
});
