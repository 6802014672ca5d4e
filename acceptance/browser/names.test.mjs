// The server names the service and the account, not the link; new names reach enrolled devices.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";
import { Application, ann, call, enrol, noticed, stage, visit } from "./stage.mjs";

describe("the name of a service", () => {
  const scene = stage();

  test("is not taken from a link", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    await page.goto(await person.link({ name: "Owl Bank" }));
    await page.getByRole("dialog", { name: "Answer for Harbour Bank on this device?" }).waitFor();
    await page.getByRole("button", { name: "Add this device" }).click();
    await noticed(page, "This device now answers for Harbour Bank");
    await person.ask("Who asks?");
    await page.getByRole("dialog").getByText("Harbour Bank asks").waitFor();
    assert.equal(await page.getByText("Owl Bank").count(), 0);
  });

  test("is not told for another service's token", async (t) => {
    const page = await visit(scene, t);
    const owls = await Application.create("Owl Bank");
    t.after(() => owls.remove());
    const person = scene.app.person();
    await page.goto((await person.link()).replace(scene.app.sid, owls.sid));
    await page.getByText("This link is not for the service that it names").waitFor();
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByRole("button", { name: "Close" }).waitFor();
    await assert.rejects(person.factors(), /404/);
  });

  test("must be known before anything can be approved", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    await page.route("**/Name", (route) => route.abort());
    await page.goto(await person.link());
    await page.getByText("The server cannot be reached. Nothing was added").waitFor();
    await page.unroute("**/Name");
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByRole("dialog", { name: "Answer for Harbour Bank on this device?" }).waitFor();
    await assert.rejects(person.factors(), /404/, "their accounts were not known yet");
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("Connected while this page").waitFor();
  });

  test("changes on a page that is open with the next question, and elsewhere when it is opened", async (t) => {
    const page = await visit(scene, t);
    const app = await Application.create("Harbour Bank");
    t.after(() => app.remove());
    const person = app.person();
    // The name of the beginning comes last.
    let held;
    let release;
    const isHeld = new Promise((resolve) => (held = resolve));
    const isReleased = new Promise((resolve) => (release = resolve));
    let asked = 0;
    await page.route("**/Name", async (route) => {
      asked += 1;
      if (asked !== 2) return route.continue();
      const response = await route.fetch();
      held();
      await isReleased;
      return route.fulfill({ response });
    });
    await enrol(page, await person.link());
    await page.getByRole("button", { name: "Edit Harbour Bank" }).waitFor();
    await isHeld;
    await call("POST", app.path, { FriendlyName: "Harbour Trust" });
    await person.ask("Who asks now?");
    await page.getByRole("dialog").getByText("Harbour Trust asks").waitFor();
    const last = page.waitForResponse("**/Name");
    release();
    await (await last).finished();
    await page.unroute("**/Name");
    await page.getByRole("button", { name: "Decide later", disabled: false }).click();
    await page.getByRole("button", { name: /Who asks now\?\s*Harbour Trust/ }).waitFor();
    await page.getByRole("button", { name: "Edit Harbour Trust" }).waitFor();
    await call("POST", app.path, { FriendlyName: "Harbour Union" });
    await page.goto("about:blank");
    await page.goto(page.home);
    await page.getByRole("dialog").getByText("Harbour Union asks").waitFor();
  });

  test("stands beside the name that the person gave the account", async (t) => {
    const page = await visit(scene, t);
    const person = await ann(scene, page);
    await page.getByRole("button", { name: "Edit Harbour Bank" }).click();
    await page.getByRole("textbox", { name: "Shown here as" }).fill("Savings");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("button", { name: "Edit Savings" }).waitFor();
    await person.ask("Which bank?");
    assert.equal(await page.getByRole("dialog").locator("#prompt-who").innerText(), "Savings (Harbour Bank) asks");
  });
});

describe("the branding of a service", () => {
  const scene = stage();
  const files = new URL("../../crates/authenticator/files/", import.meta.url);

  /** The logo that a page shows at this place, once it is loaded. */
  async function logo(page, place) {
    const picture = page.locator(`${place} img.logo`).first();
    await picture.waitFor();
    await picture.evaluate((picture) => picture.decode());
    return picture.getAttribute("src");
  }

  test("is shown before a device is added, in its accounts, its questions and the list of those that wait, and follows changes", async (t) => {
    const page = await visit(scene, t);
    const app = await Application.create("Harbour Bank");
    t.after(() => app.remove());
    const first = (await readFile(new URL("icon-192.png", files))).toString("base64");
    const branded = (await call("POST", `${app.path}/Branding`, { Label: "Harbour Bank & Söhne", Logo: first })).body;
    assert.equal(branded.label, "Harbour Bank & Söhne");
    const person = app.person();
    await page.goto(await person.link());
    await page.getByRole("dialog", { name: "Answer for Harbour Bank & Söhne on this device?" }).waitFor();
    const before = await logo(page, "#enrol");
    assert.equal(new URL(before).pathname, new URL(branded.logo_url).pathname);
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByRole("button", { name: "Edit Harbour Bank & Söhne" }).waitFor();
    assert.equal(await logo(page, "#accounts-list"), before);
    await person.ask("With a logo?");
    await page.getByRole("dialog").getByText("Harbour Bank & Söhne asks").waitFor();
    assert.equal(await logo(page, "#prompt"), before);
    await page.getByRole("button", { name: "Decide later", disabled: false }).click();
    assert.equal(await logo(page, "#waiting-list"), before);

    const second = (await readFile(new URL("icon-maskable.png", files))).toString("base64");
    await call("POST", `${app.path}/Branding`, { Label: "Harbour Union", Logo: second });
    await page.reload();
    await page.getByRole("button", { name: "Edit Harbour Union" }).waitFor();
    assert.notEqual(await logo(page, "#accounts-list"), before);
    await call("POST", `${app.path}/Branding`, { Label: "", Logo: "" });
    await page.reload();
    await page.getByRole("button", { name: "Edit Harbour Bank" }).waitFor();
    await page.locator("#accounts-list .monogram", { hasText: "H" }).waitFor();
    assert.equal(await page.locator("img.logo").count(), 0);
  });

  test("gives way to a letter where the logo cannot be loaded", async (t) => {
    const page = await visit(scene, t);
    const app = await Application.create("Harbour Bank");
    t.after(() => app.remove());
    const Logo = (await readFile(new URL("icon-192.png", files))).toString("base64");
    await call("POST", `${app.path}/Branding`, { Logo });
    await page.route("**/Logos/*", (route) => route.abort());
    await enrol(page, await app.person().link());
    await page.locator("#accounts-list .monogram", { hasText: "H" }).waitFor();
  });
});

describe("the label of an account", () => {
  const scene = stage();

  test("is shown in place of the identity, before the device is added and after, and follows changes", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person("f00d-5c1e-0001");
    await page.goto(await person.link({ label: "Ann Smith & Söhne" }));
    const account = (id) => page.locator(id).getByText("Ann Smith & Söhne", { exact: true });
    await account("#enrol-identity").waitFor();
    await page.getByRole("button", { name: "Add this device" }).click();
    await account("#accounts-list").waitFor();
    await person.ask("Who is asked?");
    await account("#prompt-whom").waitFor();
    await page.getByRole("button", { name: "Decide later", disabled: false }).click();
    await page.getByRole("button", { name: "Edit Harbour Bank, Ann Smith & Söhne" }).click();
    await account("#edit-identity").waitFor();
    await page.keyboard.press("Escape");
    assert.equal(await page.getByText(person.identity).count(), 0);

    await call("POST", `${person.path}/Branding`, { Label: "Dr. Ann Smith" });
    await person.ask("Who is asked now?");
    await page.locator("#accounts-list").getByText("Dr. Ann Smith").waitFor();
    await call("POST", `${person.path}/Branding`, { Label: "" });
    await page.reload();
    await page.locator("#accounts-list").getByText(person.identity).waitFor();
  });
});
