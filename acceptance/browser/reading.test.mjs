// Approve needs everything signed to have been in view: at any zoom, with large text, in landscape, and by keyboard alone.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { enlarge, NARROW } from "./narrow.mjs";
import { ann, drawn, readOn, stage, stands, visit } from "./stage.mjs";

const FIELDS = Array.from({ length: 20 }, (_, place) => [`Label ${place}`, `value ${place} `.repeat(9).trim()]);
describe("a question", () => {
  const scene = stage();

  async function asked(t, message, { text, fields = FIELDS, ...options } = {}) {
    const page = await visit(scene, t, { viewport: { width: 360, height: 640 }, ...options });
    await enlarge(page, text);
    const person = await ann(scene, page);
    const sid = await person.ask(message, { fields });
    const sheet = page.getByRole("dialog", { name: message });
    await sheet.waitFor();
    await stands(page);
    const button = (name, disabled) => sheet.getByRole("button", { name, exact: true, disabled });
    await button("Deny", false).waitFor();
    return { page, person, sid, sheet, button };
  }

  test("that is in view as a whole can be approved at once", async (t) => {
    const { person, sid, button } = await asked(t, "Short?", { fields: [["Place", "Lisbon"]] });
    await button("Approve", false).click();
    assert.equal(await person.outcome(sid), "approved");
  });

  test("that is not can be denied at once, and approved once it was scrolled through", async (t) => {
    const { page, person, sid, sheet, button } = await asked(t, "Long?");
    await button("Approve", true).waitFor();
    await sheet.getByText("More to read before you can approve.").waitFor();
    await button("Approve", true).click({ force: true });
    assert.equal(await sheet.isVisible(), true);
    assert.equal(await page.evaluate(() => document.activeElement.id), "prompt-next");
    const { x, y } = await sheet.locator("#prompt-message").boundingBox();
    await page.mouse.move(x + 20, y + 20);
    while (await sheet.locator("#prompt-unread").isVisible()) {
      await page.mouse.wheel(0, 120);
      await drawn(page);
    }
    await sheet.getByText("value 19").first().isVisible();
    await button("Approve", false).click();
    assert.equal(await person.outcome(sid), "approved");
  });

  test("is not read by a jump to its end", async (t) => {
    const { page, sheet, button } = await asked(t, "Jumped?");
    await sheet.evaluate((sheet) => (sheet.scrollTop = sheet.scrollHeight));
    await drawn(page);
    await button("Approve", true).waitFor();
    await sheet.getByRole("button", { name: "Read on" }).click();
    await drawn(page);
    const middle = await sheet.evaluate((sheet) => sheet.scrollTop / (sheet.scrollHeight - sheet.clientHeight));
    assert.ok(middle > 0 && middle < 1, `the part that was skipped, not ${middle}`);
  });

  test("is read, approved or denied by keyboard alone", async (t) => {
    const { page, person, sid, sheet, button } = await asked(t, "By keys?");
    const focused = () => page.evaluate(() => document.activeElement.id);
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "prompt-next");
    const described = await button("Approve", true).evaluate(
      (approve) => document.getElementById(approve.getAttribute("aria-describedby")).textContent,
    );
    assert.equal(described, "More to read before you can approve.");
    for (let presses = 0; (await focused()) === "prompt-next"; presses += 1) {
      assert.ok(presses < 30, "it never ends");
      await page.keyboard.press("Enter");
      await drawn(page);
    }
    assert.equal(await focused(), "prompt-message");
    await button("Approve", false).waitFor();
    assert.equal(await sheet.locator("#prompt-unread").isVisible(), false);
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "deny");
    await page.keyboard.press("Tab");
    assert.equal(await focused(), "approve");
    await page.keyboard.press("Enter");
    assert.equal(await person.outcome(sid), "approved");
  });

  for (const [where, options] of Object.entries(NARROW)) {
    test(`scrolls as a whole ${where}, and nothing of it is cut off`, async (t) => {
      const { page, person, sid, sheet, button } = await asked(t, "Pay 4,000 EUR to Ferry Lines?", {
        ...options,
        fields: FIELDS.slice(0, 3),
      });
      const { width, height } = options.viewport;
      await button("Approve", true).waitFor();
      const box = (locator) => locator.boundingBox();
      for (const one of [
        sheet.locator("#prompt-whom"),
        ...(await sheet.locator("dt, dd").all()),
        sheet.locator("#deny"),
        sheet.locator("#prompt-later"),
        sheet.locator("#approve"),
      ]) {
        await one.scrollIntoViewIfNeeded();
        const { x, y, width: w, height: h } = await box(one);
        assert.ok(
          x >= 0 && x + w <= width && y >= -1 && y + h <= height + 1,
          `${await one.innerText()}: ${x} ${y} ${w} ${h}`,
        );
        const cut = await one.evaluate((element) => element.scrollWidth - element.clientWidth);
        assert.ok(cut <= 0, `${await one.innerText()} is ${cut} pixels too wide`);
      }
      const wide = await sheet.evaluate((element) => element.scrollWidth - element.clientWidth);
      assert.ok(wide <= 0, `the sheet is ${wide} pixels too wide`);
      await readOn(sheet);
      await button("Approve", false).click();
      assert.equal(await person.outcome(sid), "approved");
    });
  }

  test("shows two distinct answers of one size, side by side or one below the other", async (t) => {
    for (const viewport of [
      { width: 320, height: 256 },
      { width: 1440, height: 900 },
    ]) {
      const { sheet } = await asked(t, "Of one size?", { viewport, fields: [] });
      const [deny, approve] = await Promise.all(["#deny", "#approve"].map((id) => sheet.locator(id).boundingBox()));
      assert.deepEqual([deny.width, deny.height], [approve.width, approve.height]);
      assert.ok(deny.x < approve.x || deny.y < approve.y, "Deny comes first");
    }
  });
});
