// Texts of applications are shown as text, wherever they appear.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { dismissAll, enrol, hold, readOn, stage, stands, visit } from "./stage.mjs";

const LONG = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft";
const WORDS = {
  markup: "<script>globalThis.hurt = 1</script><img src=x onerror='globalThis.hurt = 1'>",
  "a link": "<a href='javascript:globalThis.hurt=1'>Approve</a> &amp; {{hurt}}",
  "a long word": LONG,
  "a text from right to left": "האם זה אתה? كن حذرا",
};

describe("the words of an application", () => {
  const scene = stage();

  for (const [what, words] of Object.entries(WORDS)) {
    test(`may be ${what}`, async (t) => {
      const page = await visit(scene, t, { viewport: { width: 360, height: 640 } });
      const person = scene.app.person();
      const cut = (length) => Array.from(words).slice(0, length).join("");
      const label = cut(36);
      // The person's own text; a service's name has letters, digits, dashes and blanks only.
      const name = cut(64);

      const fits = async () => {
        const { shown, width } = await page.evaluate(() => {
          const wide = [document.documentElement, ...document.querySelectorAll("dialog[open], dialog[open] .question")];
          return { shown: globalThis.hurt, width: Math.max(...wide.map((box) => box.scrollWidth - box.clientWidth)) };
        });
        assert.equal(shown, undefined, "it ran");
        assert.ok(width <= 0, `${width} pixels too wide`);
      };
      const shows = async (where, text) => {
        await where.getByText(text).first().waitFor();
        assert.equal(await page.locator("main a, dialog a, main img, dialog img, body script").count(), 0);
        await fits();
      };

      await page.goto(await person.link());
      await page.getByRole("heading", { name: "Answer for Harbour Bank" }).waitFor();
      await page.getByRole("textbox", { name: "Name of this device" }).fill(name);
      await page.getByRole("button", { name: "Add this device" }).click();
      await page.getByText("Connected while this page").waitFor();
      await page.locator("#accounts-list button").click();
      await page.getByRole("textbox", { name: "Shown here as" }).fill(name);
      await page.getByRole("button", { name: "Save" }).click();
      await shows(page.locator("#accounts"), name);

      const sid = await person.ask(words, { fields: [[label, words]] });
      const sheet = page.locator("#prompt");
      await shows(sheet.locator("#prompt-message"), words);
      await shows(sheet.locator("#prompt-who"), name);
      await shows(sheet.locator("dt"), label);
      await shows(sheet.locator("dd"), words);
      await stands(page);
      for (const button of ["Deny", "Approve"]) {
        const { y, height } = await sheet.getByRole("button", { name: button, exact: true }).boundingBox();
        assert.ok(y >= 0 && y + height <= 640, `${button} is out of reach`);
      }
      await readOn(sheet);
      await dismissAll(page);
      await hold(page);
      await sheet.getByRole("button", { name: "Approve", exact: true, disabled: false }).click();
      assert.equal(await person.outcome(sid), "approved");
      await shows(page.locator("#history"), words);
      await shows(page.locator("#notices"), words);
      await page.locator("#accounts-list button").click();
      assert.equal(await page.getByRole("textbox", { name: "Name of this device" }).inputValue(), name);
      await fits();
    });
  }

  test("cannot reverse or hide the text beside them", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    await enrol(page, await person.link());
    await page.getByText("Connected while this page").waitFor();
    await page.locator("#accounts-list button").click();
    await page.getByRole("textbox", { name: "Shown here as" }).fill("Bank\u202e knaB");
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator("#accounts-list .name").getByText("Bank\ufffd knaB").waitFor();
    await person.ask("Pay \u202e01\u202c EUR\u2066?\u0007\u200b", { fields: [["To\u202e", "\u2067you"]] });
    const message = page.locator("#prompt-message");
    await message.waitFor();
    // The server removes invisible characters; the person's own text stays on the device, and the page marks them there.
    assert.equal(await message.textContent(), "Pay 01 EUR?");
    assert.equal(await message.locator("bdi").evaluate((element) => getComputedStyle(element).unicodeBidi), "isolate");
    assert.equal(await page.locator("#prompt-fields dt").textContent(), "To");
    assert.equal(await page.locator("#prompt-fields dd").textContent(), "you");
    assert.equal(await page.locator("#prompt-who").textContent(), "Bank\ufffd knaB (Harbour Bank) asks");
  });

  test("read the same wherever they stand: they have a direction and a language of their own", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    await enrol(page, await person.link());
    await person.ask("שלם 100 EUR עכשיו?", { fields: [["מקום", "Lisbon"]] });
    await page.locator("#prompt-message").waitFor();
    const found = await page.evaluate(() =>
      [...document.querySelectorAll("#prompt bdi")].map((one) => [
        one.textContent,
        one.getAttribute("lang"),
        one.getAttribute("dir"),
        getComputedStyle(one).direction,
      ]),
    );
    const told = new Map(found.map(([text, ...others]) => [text, others]));
    assert.deepEqual(told.get("שלם 100 EUR עכשיו?"), ["", "auto", "rtl"]);
    assert.deepEqual(told.get("מקום"), ["", "auto", "rtl"]);
    assert.deepEqual(told.get("Lisbon"), ["", "auto", "ltr"]);
    assert.equal(await page.evaluate(() => document.documentElement.lang), "en");
  });

  test("at their largest number and length leave both answers in reach", async (t) => {
    const page = await visit(scene, t, { viewport: { width: 360, height: 640 } });
    const person = scene.app.person();
    await enrol(page, await person.link());
    await page.getByText("Connected while this page").waitFor();
    const fields = Array.from({ length: 20 }, (_, place) => [
      `${place} ${"label ".repeat(5)}`.trim(),
      "value ".repeat(21),
    ]);
    const sid = await person.ask("question ".repeat(28), { fields });
    const sheet = page.locator("#prompt");
    await sheet.getByRole("button", { name: "Approve", exact: true }).waitFor();
    await stands(page);
    const boxes = [];
    for (const button of ["Deny", "Approve"]) {
      boxes.push(await sheet.getByRole("button", { name: button, exact: true }).boundingBox());
    }
    const [deny, approve] = boxes;
    assert.deepEqual([deny.y, deny.width, deny.height], [approve.y, approve.width, approve.height]);
    assert.ok(approve.y + approve.height <= 640, "out of reach");
    await sheet.getByText("19 label").scrollIntoViewIfNeeded();
    await sheet.getByRole("button", { name: "Deny" }).click();
    assert.equal(await person.outcome(sid), "denied");
  });
});
