// Every page of the console, in light and dark, on a phone and on a desktop.
import { before, describe, test } from "node:test";
import { server } from "../node/wire.mjs";
import { DEVICES, eye } from "./look.mjs";
import { door, signIn } from "./operator.mjs";
import { call, enrol, stage, visit } from "./stage.mjs";

describe("every page of the console", () => {
  const scene = stage();
  let look;
  before(async () => {
    look = await eye();
  });

  test("has no barrier, and fits", async (t) => {
    // Nobody listens there.
    const url = "http://127.0.0.1:9/hook";
    const form = { FriendlyName: "orders", EventTypes: "*", WebhookUrl: url };
    await call("POST", `${scene.app.path}/Webhooks`, form);
    const device = await visit(scene, t);
    const person = scene.app.person("sam-porter");
    await enrol(device, await person.link());
    await device.getByText("Connected while").first().waitFor();
    // What people look at most: something answered, something refused, something that waits for its device.
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
    await person.ask("Pay 40 EUR to Ferry Lines?");
    const { body } = await call("POST", "/v1/Credentials", { Type: "gcm", FriendlyName: "the app" });
    t.after(() => call("DELETE", `/v1/Credentials/${body.sid}`));

    for (const [name, options] of Object.entries(DEVICES)) {
      /** One load, both colours. */
      const shots = async (page, what) => {
        await page.emulateMedia({ colorScheme: "light" });
        await look(page, `console-${what}-${name}-light`);
        await page.emulateMedia({ colorScheme: "dark" });
        await look(page, `console-${what}-${name}-dark`);
      };
      const page = await door(scene, t, { reducedMotion: "reduce", ...options });
      await shots(page, "sign-in");
      await signIn(page, server.token);
      await page.getByRole("heading", { name: "Overview" }).waitFor();
      const service = `/services/${scene.app.sid}`;
      for (const [what, path] of Object.entries({
        overview: "",
        timeline: "/timeline",
        search: `/search?q=${person.identity}`,
        "found-nothing": "/search?q=nobody-at-all",
        challenge: `/challenges/${answered}`,
        services: "/services",
        service,
        person: `${service}/people/${person.identity}`,
        credentials: "/credentials",
        webhooks: "/webhooks",
        enrol: "/enrol",
        nothing: "/nothing",
      })) {
        await page.goto(`${page.console}${path}`);
        await shots(page, what);
      }
      await page.goto(`${page.console}${service}`);
      await page.getByLabel("Seconds that a code is valid").fill("7");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Totp.TimeStep must be").waitFor();
      await shots(page, "wrong");
      await page.goto(`${page.console}/enrol?service=${scene.app.sid}&identity=${person.identity}`);
      await page.getByRole("button", { name: "Make a link" }).click();
      await page.getByRole("img", { name: "The link as a code to scan" }).waitFor();
      await shots(page, "invitation");
    }
  });
});
