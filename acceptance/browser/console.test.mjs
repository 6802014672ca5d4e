// The operator console: reading and acting.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import { server } from "../node/wire.mjs";
import { overhang } from "./look.mjs";
import { door, operator, signIn } from "./operator.mjs";
import { ann, Application, call, stage, visit } from "./stage.mjs";

describe("the console", () => {
  const scene = stage();

  test("lets in only a person who has the token", async (t) => {
    const page = await door(scene, t);
    await signIn(page, "0123456789abcdef0123456789abcdef");
    await page.getByRole("alert").filter({ hasText: "No account or API key has this SID" }).waitFor();
    assert.equal(await page.getByLabel("Account SID").inputValue(), server.sid);
    await signIn(page, server.token);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    const [cookie] = (await page.context().cookies(page.console)).filter(({ name }) => name === "countersign_console");
    assert.deepEqual([cookie.httpOnly, cookie.sameSite, cookie.path], [true, "Strict", "/console"]);
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await page.goto(`${page.console}/timeline`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
  });

  test("is used by the keyboard alone", async (t) => {
    const page = await door(scene, t);
    const press = async (key, times = 1) => {
      for (let at = 0; at < times; at += 1) await page.keyboard.press(key);
    };
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent.trim());
    await press("Tab");
    assert.equal(await focused(), "To the content");
    await press("Tab");
    assert.equal(await focused(), "user");
    await page.keyboard.type(server.sid);
    await press("Tab");
    await page.keyboard.type(server.token);
    await press("Enter");
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    await press("Tab", 2);
    assert.equal(await focused(), "find");
    await press("Tab", 3);
    assert.equal(await focused(), "Overview");
    await press("Tab", 2);
    assert.equal(await focused(), "Services");
    await press("Enter");
    await page.getByRole("heading", { name: "Services" }).waitFor();
    await press("Tab");
    await press("Enter");
    assert.equal(await focused(), "main");
  });

  test("shows events as they happen, and says when the server is silent", async (t) => {
    const person = await ann(scene, await visit(scene, t));
    // New lines wait only where there are lines.
    await person.ask(`Is it the first, ${person.identity}?`);
    const page = await operator(scene, t);
    await page.getByRole("link", { name: "Timeline" }).click();
    await page.getByRole("heading", { name: "Timeline" }).waitFor();
    // Other people are asked meanwhile, whose lines would count as new.
    await page.goto(`${page.console}/timeline?service=${scene.app.sid}`);
    await page.evaluate(() => (globalThis.untouched = true));
    const message = `Log in ${person.identity}?`;
    const sid = await person.ask(message);
    await page.getByRole("button", { name: "1 new" }).click();
    const line = page.locator(".line").filter({ hasText: message });
    await line.getByText("stream delivered").waitFor();
    assert.equal(await page.evaluate(() => globalThis.untouched), true, "the page was not loaded again");

    await page.context().setOffline(true);
    await page.getByText("The server does not answer. Reconnecting…").waitFor();
    await line.getByText("stream delivered").waitFor();
    await page.context().setOffline(false);
    await page.getByText("Reconnecting…").waitFor({ state: "hidden" });

    await page.getByRole("searchbox").fill(sid);
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("heading", { name: message }).waitFor();
    await page.goto(`${page.console}/search?q=${person.identity}`);
    await page.getByRole("main").getByRole("link", { name: person.identity }).click();
    await page.getByText("connected now").waitFor();
  });

  test("enrols a device by its link, and asks it", async (t) => {
    const page = await operator(scene, t);
    await page.getByRole("link", { name: "Enrol a device" }).click();
    await page.getByLabel("Service").selectOption(scene.app.sid);
    await page.getByLabel("Identity of the person").fill("sam");
    await page.getByRole("button", { name: "Make a link" }).click();
    await page.getByText("identity length must be").or(page.locator("#identity-error")).first().waitFor();
    const { identity } = scene.app.person();
    await page.getByLabel("Identity of the person").fill(identity);
    await page.getByRole("button", { name: "Make a link" }).click();
    await page.getByRole("img", { name: "The link as a code to scan" }).waitFor();
    const link = await page.getByRole("link", { name: "Open the link in this browser" }).getAttribute("href");
    const device = await visit(scene, t);
    await device.goto(link);
    await device.getByRole("button", { name: "Add this device" }).click();
    await device.getByText("Connected while this page").waitFor();

    await page.getByRole("link", { name: "The person’s devices" }).click();
    await page.getByText("connected now").waitFor();
    await page.getByLabel("Ask it something").fill("Is it in your hands?");
    await page.getByRole("button", { name: "Send a test challenge" }).click();
    await page.getByRole("heading", { name: "Is it in your hands?" }).waitFor();
    await device.getByRole("dialog", { name: "Is it in your hands?" }).getByRole("button", { name: "Approve" }).click();
    await page.getByText("Approved by the person").waitFor();
    await page.getByText("Push delivered").waitFor();
  });

  test("shows the calls of a webhook that fail, and makes them again", async (t) => {
    let status = 500;
    let calls = 0;
    const application = createServer((request, response) => {
      calls += 1;
      request.resume();
      response.writeHead(status).end();
    });
    await new Promise((resolve) => application.listen(0, "127.0.0.1", resolve));
    t.after(() => application.close());
    const url = `http://127.0.0.1:${application.address().port}/hook`;
    const form = { FriendlyName: "orders", EventTypes: "factor.created", WebhookUrl: url };
    await call("POST", `${scene.app.path}/Webhooks`, form);
    const page = await operator(scene, t);
    await page.goto(`${page.console}/webhooks`);
    await page.evaluate(() => (globalThis.untouched = true));
    const card = page.locator("section.card").filter({ hasText: url });
    await card.getByText("no call fails").waitFor();
    await ann(scene, await visit(scene, t));
    await card.getByText(/^factor.created: failed \d+ times/).first().waitFor();
    assert.equal(await page.evaluate(() => globalThis.untouched), true);
    // Once the button is pressed, and not before: a retry that is taken leaves nothing to send again.
    await page.route("**/*", (route) => {
      if (route.request().method() === "POST") status = 200;
      return route.continue();
    });
    const before = calls;
    await card.getByRole("button", { name: "Send again now" }).first().click();
    await page.getByText("The call is made again now.").waitFor();
    await card.getByText("no call fails").waitFor();
    assert.ok(calls > before);
  });

  test("shows text of applications as text, in every field: nothing of it runs or overflows", async (t) => {
    const page = await operator(scene, t, { viewport: { width: 360, height: 740 } });
    page.on("dialog", () => assert.fail("a script ran"));
    const markup = "<img src=x onerror=alert(1)>";
    const evil = `${markup}<script>alert(1)</script>${"wide".repeat(20)}\u202egnirts`;
    const name = evil.slice(0, 64);
    // A service's name has letters only, but may be long.
    const app = await Application.create("W".repeat(32));
    t.after(() => app.remove());
    const url = `https://127.0.0.1:9/${"wide".repeat(60)}`;
    await call("POST", `${app.path}/Webhooks`, { FriendlyName: name, EventTypes: "*", WebhookUrl: url });
    const { body } = await call("POST", "/v1/Credentials", { Type: "gcm", FriendlyName: name });
    t.after(() => call("DELETE", `/v1/Credentials/${body.sid}`));
    const person = await ann({ app }, await visit(scene, t));
    await call("POST", `${person.path}/Factors/${(await person.factor()).sid}`, { FriendlyName: name });
    const asked = [];
    // As many as the overview shows, which are the newest of all services: other people are asked meanwhile.
    for (let count = 0; count < 8; count += 1)
      asked.push(await person.ask(evil, { fields: [[markup, "م".repeat(60)], ["Place", evil.slice(0, 128)]] }));
    const sid = asked.at(-1);
    const service = `/services/${app.sid}`;
    // How often each page shows the text: question, fields, device; names of webhooks and credentials.
    for (const [path, times] of Object.entries({
      "": 1,
      "/timeline": 1,
      [`/challenges/${sid}`]: 5,
      "/services": 0,
      [service]: 0,
      [`${service}/people/${person.identity}`]: 2,
      "/webhooks": 1,
      "/credentials": 1,
      [`/enrol?service=${app.sid}&identity=${person.identity}`]: 0,
      [`/search?q=${encodeURIComponent(evil)}`]: 0,
    })) {
      await page.goto(page.console + path);
      await page.getByRole("main").waitFor();
      const found = await page.getByText(markup).filter({ visible: true }).count();
      assert.ok(found >= times, `${path} shows ${found} of ${times}`);
      assert.equal(await page.locator("main img, main b, main script").count(), 0, path);
      assert.equal(await overhang(page), "", path);
    }
  });

  test("works without JavaScript", async (t) => {
    const page = await operator(scene, t, { javaScriptEnabled: false });
    for (const name of ["Timeline", "Credentials", "Webhooks", "API keys", "Enrol a device", "Services"]) {
      await page.getByRole("link", { name, exact: true }).click();
      await page.locator(`nav a[aria-current]`).getByText(name, { exact: true }).waitFor();
    }
    await page.goto(`${page.console}/services/${scene.app.sid}`);
    await page.getByLabel("Time steps of tolerance").fill("9");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("Time steps of tolerance must be a whole number from 0 to 2.").first().waitFor();
    await page.getByLabel("Time steps of tolerance").fill("2");
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByText("The settings are saved.").waitFor();
    assert.equal((await call("GET", scene.app.path)).body.totp.skew, 2);
    const person = await ann(scene, await visit(scene, t));
    await page.goto(`${page.console}/enrol?service=${scene.app.sid}&identity=${person.identity}`);
    await page.getByRole("button", { name: "Make a link" }).click();
    await page.getByRole("img", { name: "The link as a code to scan" }).waitFor();
    await page.getByRole("link", { name: "The person’s devices" }).click();
    await page.getByLabel("Ask it something").fill("Without a script?");
    await page.getByRole("button", { name: "Send a test challenge" }).click();
    await page.getByRole("heading", { name: "Without a script?" }).waitFor();
    await page.goto(`${page.console}/timeline`);
    await page.getByText("Without a script?").first().waitFor();
    // Otherwise the page would be loaded again while a form is filled in.
    await page.goto(`${page.console}/timeline?live=no`);
    await page.getByText("Updates are paused.").waitFor();
    await page.getByText("Without a script?").first().waitFor();
    await page.getByText("Filter", { exact: true }).click();
    await page.getByLabel("Question begins with").fill("without");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByRole("link", { name: "Remove message: without" }).waitFor();
    await page.getByText("Without a script?").first().waitFor();
    await page.goto(`${page.console}/timeline?live=no`);
    await page.getByRole("searchbox").fill(person.identity.slice(0, 12));
    await page.getByRole("button", { name: "Search" }).click();
    await page.getByRole("main").getByRole("link", { name: person.identity }).first().waitFor();
    await page.goto(`${page.console}/timeline`);
    assert.equal(await page.locator('meta[http-equiv="refresh"]').getAttribute("content"), "15");
  });
});
