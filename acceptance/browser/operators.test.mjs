// Operators at the console: sign-in, second factor, roles, sessions, audit trail.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { server } from "../node/wire.mjs";
import { eye } from "./look.mjs";
import { approve, command, follow, invitation, newcomer, newOperator } from "./operator.mjs";
import { stage, visit } from "./stage.mjs";

describe("an operator", () => {
  const scene = stage();

  test("signs in by a link, enrols the same browser as the device and answers there", async (t) => {
    const look = await eye();
    const { name, link } = newOperator("admin");
    const page = await visit(scene, t);
    await page.goto(link);
    await look.around(page, "console-link");
    await follow(page, link);
    await look.around(page, "console-device-none");
    await page.goto(`${server.url}/console/timeline`);
    await page.getByText("You have none yet").waitFor();
    await page.getByRole("button", { name: "Enrol a device" }).click();
    await page.getByRole("link", { name: "Enrol this browser" }).waitFor();
    await look.around(page, "console-device-link");
    const [device] = await Promise.all([
      page.context().waitForEvent("page"),
      page.getByRole("link", { name: "Enrol this browser" }).click(),
    ]);
    await device.getByRole("button", { name: "Add this device" }).click();
    await device.locator("#enrol").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "It is enrolled: ask it" }).click();
    await page.locator("#number").waitFor();
    await look.around(page, "console-device-number");
    await device.bringToFront();
    await approve(device, page, name);
    await page.bringToFront();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByText(`signed in as ${name} (admin)`).waitFor();
    await page.goto(link);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByText("This link was used before").waitFor();
    await look.around(page, "console-link-used");
  });

  test("signs in by a password, and again after a denial", async (t) => {
    const { name, device } = await newcomer(scene, t, "operate");
    const password = command("operators", "password", name);
    const page = await visit(scene, t);
    const enter = async (secret) => {
      await page.goto(`${server.url}/console/sign-in`);
      await page.getByLabel("Operator’s name").fill(name.toUpperCase());
      await page.getByLabel("Password").fill(secret);
      await page.getByRole("button", { name: "Sign in" }).click();
    };
    await enter("not the password");
    await page.getByRole("alert").filter({ hasText: "No operator has this name with this password" }).waitFor();
    await enter(password);
    await page.locator("#number").waitFor();
    const sheet = device.getByRole("dialog", { name: `Sign in to the console as ${name}?` });
    await sheet.getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    await page.getByText("The prompt was denied, or the number was wrong.").waitFor();
    const look = await eye();
    await look.around(page, "console-device-denied");
    await page.getByRole("button", { name: "Ask my device" }).click();
    await approve(device, page, name);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  });

  test("signs in without JavaScript at the console", async (t) => {
    const { name, link } = newOperator("read");
    const page = await visit(scene, t, { javaScriptEnabled: false });
    await follow(page, link);
    const device = await visit(scene, t);
    await device.goto(await invitation(page));
    await device.getByRole("button", { name: "Add this device" }).click();
    await device.locator("#enrol").waitFor({ state: "hidden" });
    await page.getByRole("button", { name: "It is enrolled: ask it" }).click();
    await approve(device, page, name);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
  });

  test("of each role sees the forms that it allows, and no page is wrong for it", async (t) => {
    const look = await eye();
    const forms = { read: [0, 0], operate: [0, 1], admin: [1, 1] };
    for (const [role, [admin, operate]] of Object.entries(forms)) {
      const { page } = await newcomer(scene, t, role);
      const service = `services/${scene.app.sid}`;
      const pages = { services: "services", service, integrations: `${service}/integrations`, enrol: "enrol" };
      for (const [name, path] of Object.entries({ ...pages, sessions: "sessions", audit: "audit", log: "log" })) {
        await page.goto(`${page.console}/${path}`);
        await look.around(page, `console-${role}-${name}`);
      }
      await page.goto(`${page.console}/services`);
      assert.equal(await page.locator("main form:visible").count(), admin, role);
      for (const [name, count] of [["Enrol a device", operate], ["Operators", admin], ["Audit", 1]])
        assert.equal(await page.locator("nav").getByRole("link", { name, exact: true }).count(), count, `${role}: ${name}`);
      await page.goto(`${page.console}/enrol`);
      assert.equal(await page.locator("main form:visible").count(), operate, role);
      await page.goto(`${page.console}/${service}`);
      assert.equal(await page.getByRole("link", { name: "Delete the service" }).count(), admin, role);
    }
  });

  test("gets a message when the role does not allow an action that the page offered", async (t) => {
    const { name, page } = await newcomer(scene, t, "admin");
    await page.goto(`${page.console}/services`);
    await page.getByLabel("Name of the new service").fill("Owl Club");
    command("operators", "role", name, "read");
    await page.getByRole("button", { name: /service/i }).click();
    await page.getByRole("heading", { name: "Your role does not allow this" }).waitFor();
    await (await eye()).around(page, "console-role-refused");
    await page.goto(`${page.console}/audit`);
    await page.getByText("the role does not allow it").first().waitFor();
  });

  test("ends a session, and is signed out where it was open", async (t) => {
    const { name, page } = await newcomer(scene, t, "read");
    const boss = await newcomer(scene, t, "admin");
    await page.goto(`${page.console}/timeline`);
    await boss.page.goto(`${boss.page.console}/sessions`);
    const row = boss.page.getByRole("listitem").filter({ hasText: name });
    await row.getByRole("button", { name: "End the session" }).click();
    await boss.page.getByText("The session has ended.").waitFor();
    assert.equal(await boss.page.getByRole("listitem").filter({ hasText: name }).count(), 0);
    await page.goto(`${page.console}/services`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await boss.page.goto(`${boss.page.console}/audit`);
    await boss.page.getByText("session.ended").first().waitFor();
  });

  test("is signed out by the command line, and enrols another device after the loss of one", async (t) => {
    const { name, page } = await newcomer(scene, t, "read");
    const [session] = command("operators", "sessions", name, "--json").split("\n").map(JSON.parse);
    assert.equal(session.name, name);
    command("operators", "revoke", "--session", session.id);
    await page.goto(`${page.console}/timeline`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await follow(page, command("operators", "link", name, "--new-device"));
    await page.getByText("You have none yet").waitFor();
    command("operators", "remove", name);
    await page.reload();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });
});
