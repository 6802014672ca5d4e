// Every page of the console: on a phone, a tablet and a desktop, in light and dark, with large text, zoomed, in landscape,
// and in forced colours.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { server, stranger } from "../node/wire.mjs";
import { eye, views } from "./look.mjs";
import { door, signIn } from "./operator.mjs";
import { call, enrol, stage, visit } from "./stage.mjs";

const LIGHT = ["light"];
const VIEWS = views({
  phone: { width: 360, height: 740 },
  tablet: { width: 768, height: 1024 },
  desktop: { width: 1040, height: 860 },
  broad: { width: 1440, height: 900 },
  lying: { width: 740, height: 360, colours: LIGHT },
  // 1280 by 1024 pixels at 400 %
  zoomed: { width: 320, height: 256, colours: LIGHT },
  large: { width: 1280, height: 1024, text: "200%", colours: LIGHT },
  "phone-large": { width: 360, height: 740, text: "200%", colours: ["dark"] },
  forced: { width: 1040, height: 860, forcedColors: "active" },
});
const FEW = Object.fromEntries(Object.entries(VIEWS).filter(([name]) => /^(phone|zoomed|forced)-(light|dark)$/.test(name)));

describe("every page of the console", () => {
  const scene = stage();
  let look;
  before(async () => {
    look = await eye();
  });

  test("has no barrier, and fits", async (t) => {
    // Nothing listens there.
    const url = "http://127.0.0.1:9/hook";
    const form = { FriendlyName: "orders", EventTypes: "*", WebhookUrl: url };
    await call("POST", `${scene.app.path}/Webhooks`, form);
    const device = await visit(scene, t);
    const person = scene.app.person("sam-porter");
    await enrol(device, await person.link());
    await device.getByText("Connected while").first().waitFor();
    // The most common rows: an answered challenge, a refused push, and one that waits for its device.
    const answer = async (message, button) => {
      const fields = [
        ["Place", "Lisbon, Portugal"],
        ["Device", "Firefox on Linux"],
      ];
      const sid = await person.ask(message, { fields });
      await device.getByRole("dialog", { name: message }).getByRole("button", { name: button, disabled: false }).click();
      await person.outcome(sid);
      return sid;
    };
    await answer("Change your address to 7 Quay Street?", "Deny");
    const answered = await answer("Log in to Harbour Bank?", "Approve");
    await device.goto("about:blank");
    const waiting = await person.ask("Pay 40 EUR to Ferry Lines?");
    const { body } = await call("POST", "/v1/Credentials", { Type: "gcm", FriendlyName: "the app" });
    t.after(() => call("DELETE", `/v1/Credentials/${body.sid}`));

    // A call that fails, and shows as failed.
    const calls = await door(scene, t);
    await signIn(calls, server.token);
    await calls.goto(`${calls.console}/webhooks?service=${scene.app.sid}`);
    await calls.getByText(/failed \d+ times/).first().waitFor();
    const webhook = await calls.getByRole("link", { name: "orders" }).first().getAttribute("href");

    const page = await door(scene, t, { reducedMotion: "reduce" });
    const shot = (what) => look.around(page, `console-${what}`, VIEWS);
    await shot("sign-in");
    await signIn(page, server.token);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    const service = `/services/${scene.app.sid}`;
    for (const [what, path] of Object.entries({
      overview: "",
      timeline: "/timeline",
      search: `/search?q=${person.identity}`,
      "found-nothing": "/search?q=nobody-at-all",
      challenge: `/challenges/${answered}`,
      waiting: `/challenges/${waiting}`,
      held: "/timeline?live=no",
      webhook: webhook.replace("/console", ""),
      services: "/services",
      service,
      person: `${service}/people/${person.identity}`,
      credentials: "/credentials",
      webhooks: "/webhooks",
      enrol: "/enrol",
      nothing: "/nothing",
    })) {
      await page.goto(`${page.console}${path}`);
      await shot(what);
    }
    await page.goto(`${page.console}${service}`);
    await page.getByLabel("Seconds that a code is valid").fill("7");
    await page.getByRole("button", { name: "Save" }).click();
    await page.locator("[id=\"Totp.TimeStep-error\"]").getByText("Seconds that a code is valid must be").waitFor();
    await shot("wrong");
    await page.goto(`${page.console}/enrol?service=${scene.app.sid}&identity=${person.identity}`);
    await page.getByRole("button", { name: "Make a link" }).click();
    await page.getByRole("img", { name: "The link as a code to scan" }).waitFor();
    await shot("invitation");
  });

  test("says what to do where there is nothing yet, and why there is no page", async (t) => {
    const reader = await door(scene, t, { reducedMotion: "reduce" });
    await reader.getByLabel("Account SID").fill(stranger.sid);
    await reader.getByLabel("Auth token").fill(stranger.token);
    await reader.getByRole("button", { name: "Sign in" }).click();
    await reader.getByRole("heading", { name: "Overview" }).waitFor();
    for (const [what, path] of Object.entries({ overview: "", timeline: "/timeline", webhooks: "/webhooks", enrol: "/enrol" })) {
      await reader.goto(`${reader.console}${path}`);
      await look.around(reader, `console-empty-${what}`, FEW);
    }
    // As a user that does not exist, so no other sign-in is throttled.
    const page = await door(scene, t, { viewport: { width: 360, height: 740 } });
    const user = `AC${"f".repeat(32)}`;
    for (let tries = 0; tries <= 10; tries += 1) {
      await page.goto(`${page.console}/sign-in`);
      await page.getByLabel("Account SID").fill(user);
      await page.getByLabel("Auth token").fill("wrong");
      await page.getByRole("button", { name: "Sign in" }).click();
      await page.getByRole("alert").or(page.getByRole("heading", { name: "Too many attempts" })).first().waitFor();
    }
    await page.getByRole("heading", { name: "Too many attempts" }).waitFor();
    await look(page, "console-too-many-phone-light");
    const status = await page.evaluate(() => performance.getEntriesByType("navigation")[0].responseStatus);
    assert.equal(status, 429);
  });
});
