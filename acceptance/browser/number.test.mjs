// Numbers: the application shows one, and the person types or picks it to approve. Denying never needs it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, call, stage, visit } from "./stage.mjs";

describe("a question that asks for a number", () => {
  const scene = stage();

  async function asked(t, Presence) {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    const form = { FactorSid: (await person.factor()).sid, "Details.Message": "Which number?", Presence };
    const { sid } = (await call("POST", `${person.path}/Challenges`, form)).body;
    const { answer } = (await call("GET", `${person.path}/Challenges/${sid}/Presence`)).body;
    const sheet = page.getByRole("dialog", { name: "Which number?" });
    await sheet.getByRole("button", { name: "Deny", exact: true, disabled: false }).waitFor();
    return { page, person, sid, answer, sheet };
  }

  const wrong = (answer) => (answer === "99" ? "98" : "99");

  test("is approved with it; without it the page asks for it, and a wrong one leaves one more try", async (t) => {
    const { person, sid, answer, sheet } = await asked(t, "number");
    const field = sheet.getByLabel("Number that Harbour Bank shows you");
    assert.equal(await field.getAttribute("inputmode"), "numeric");
    await sheet.getByRole("button", { name: "Approve" }).click();
    await sheet.getByText("Type the 2 digits first.").waitFor();
    await field.fill(wrong(answer));
    await sheet.getByRole("button", { name: "Approve" }).click();
    await sheet.getByText("That is not the number. You have 1 more try.").waitFor();
    assert.equal(await field.inputValue(), "");
    // Digits of another script are the same number.
    await field.fill(answer.replace(/\d/g, (digit) => "٠١٢٣٤٥٦٧٨٩"[digit]));
    await field.press("Enter");
    assert.equal(await person.outcome(sid), "approved");
  });

  test("is over after the second wrong one, and says so", async (t) => {
    const { page, person, sid, answer, sheet } = await asked(t, "number");
    for (const after of ["You have 1 more try.", "Denied, because the number was wrong: Which number?"]) {
      await sheet.getByLabel("Number that").fill(wrong(answer));
      await sheet.getByRole("button", { name: "Approve", disabled: false }).click();
      await page.getByText(after).waitFor();
    }
    assert.equal(await person.outcome(sid), "denied");
    await page.locator("#history-list").getByText("Wrong number").waitFor();
  });

  const deny = (sheet) => sheet.getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
  const approve = (sheet) => sheet.getByRole("button", { name: "Approve", disabled: false }).click();

  for (const [what, Presence, before] of [
    ["at once", "number", async () => {}],
    ["after an approval without it", "number", approve],
    [
      "after a wrong one",
      "number",
      async (sheet, answer) => {
        await sheet.getByLabel("Number that").fill(wrong(answer));
        await approve(sheet);
        await sheet.getByText("You have 1 more try.").waitFor();
      },
    ],
    ["while one is typed", "number", (sheet) => sheet.getByLabel("Number that").fill("1")],
    ["at once, where one is to be picked", "pick", async () => {}],
  ]) {
    test(`is denied without it: ${what}`, async (t) => {
      const { person, sid, answer, sheet } = await asked(t, Presence);
      await before(sheet, answer);
      await deny(sheet);
      assert.equal(await person.outcome(sid), "denied");
    });
  }

  test("shows three to pick from, each of which approves", async (t) => {
    const { person, sid, answer, sheet } = await asked(t, "pick");
    assert.equal(await sheet.getByRole("button", { name: /^Approve with \d\d$/ }).count(), 3);
    assert.equal(await sheet.getByRole("button", { name: "Approve", exact: true }).count(), 0);
    await sheet.getByRole("button", { name: `Approve with ${answer}` }).click();
    assert.equal(await person.outcome(sid), "approved");
  });

  test("has one try to pick", async (t) => {
    const { page, person, sid, answer, sheet } = await asked(t, "pick");
    const options = await sheet.getByRole("button", { name: /^Approve with/ }).allInnerTexts();
    const other = options.map((text) => text.trim()).find((text) => text !== answer);
    await sheet.getByRole("button", { name: `Approve with ${other}` }).click();
    await page.getByText("Denied, because the number was wrong: Which number?").waitFor();
    assert.equal(await person.outcome(sid), "denied");
  });
});
