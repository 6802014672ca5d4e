// The daily jobs of an operator: by the keyboard alone, from the sign-in to the result; and each state of their pages on a phone
// and on a broad screen, in light and dark, without a violation of axe's rules.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { before, describe, test } from "node:test";
import { server } from "../node/wire.mjs";
import { eye } from "./look.mjs";
import { door, operator, signIn } from "./operator.mjs";
import { ann, Application, call, enrol, stage, visit } from "./stage.mjs";

/** An application that refuses every call, and says why. */
async function refusing(t) {
  const app = createServer((request, response) => {
    request.resume();
    response.writeHead(500, { "Content-Type": "text/plain", "X-Trace": "hush" }).end("down for <b>repairs</b>");
  });
  await new Promise((resolve) => app.listen(0, "127.0.0.1", resolve));
  t.after(() => app.close());
  return `http://127.0.0.1:${app.address().port}/hook`;
}

/** The keyboard of a person who uses nothing else. */
function keys(page) {
  /** Tabs to what has this name. */
  const to = async (name) => {
    for (let steps = 0; steps < 200; steps += 1) {
      await page.keyboard.press("Tab");
      const here = await page.evaluate(() => {
        const element = document.activeElement;
        return (element.labels?.[0] ?? element).innerText.replace(/\s+/g, " ").trim();
      });
      if (here.startsWith(name)) return;
    }
    assert.fail(`nothing that the keyboard reaches is called ${name}`);
  };
  const press = async (name) => {
    await to(name);
    await page.keyboard.press("Enter");
  };
  /** Follows a link, and waits for its page. */
  const follow = async (name) => {
    const before = page.url();
    await press(name);
    await page.waitForURL((url) => url.href !== before);
  };
  const fill = async (name, text) => {
    await to(name);
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.insertText(text);
  };
  const tick = async (name) => {
    await to(name);
    await page.keyboard.press("Space");
  };
  return { press, follow, fill, tick };
}

/** The element that has the focus, and the title. */
const attention = (page) => page.evaluate(() => [document.activeElement.id, document.title]);

describe("the jobs of an operator", () => {
  const scene = stage();
  let look;
  before(async () => {
    look = await eye();
  });

  test("are done by the keyboard alone, from the sign-in to the result", async (t) => {
    const app = await Application.create("Tab Club");
    t.after(() => call("DELETE", app.path).catch(() => undefined));
    const person = app.person();
    const device = await visit(scene, t);
    await enrol(device, await person.link());
    const page = await door(scene, t);
    const { press, follow, fill, tick } = keys(page);
    const says = (text) => page.getByRole("status").filter({ hasText: text }).waitFor();
    await fill("Operator’s name, account SID or API key SID", server.sid);
    await fill("Password, auth token or API key’s secret", server.token);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: "Overview" }).waitFor();

    await page.goto(`${page.console}/services/${app.sid}/people/${person.identity}`);
    await follow("Rename");
    await fill("Name of the device", "");
    await page.keyboard.press("Enter");
    await page.locator("[role=alert]:focus").waitFor();
    assert.deepEqual(await attention(page), ["wrong", "Error: Rename a device · Countersign console"]);
    await follow("Name of the device must have 1 to 64 characters");
    await page.locator("#FriendlyName:focus").waitFor();
    await page.keyboard.insertText("Night desk");
    await page.keyboard.press("Enter");
    await says("The device is renamed.");
    await page.reload();
    await page.getByRole("heading", { name: "Night desk" }).waitFor();

    await follow("Pause challenges");
    await fill("Hours of the pause", "3");
    await page.keyboard.press("Enter");
    await says("The person is paused.");
    await press("End the pause");
    await says("The pause is ended.");

    await follow("Remove");
    await page.getByText("It is the only device of the person").waitFor();
    await press("Remove the device");
    await says("The device is removed.");
    await page.reload();
    await page.getByText("This person has no device.").waitFor();
    assert.deepEqual(await person.factors(), []);
    await follow("Delete the person");
    await press("Delete the person");
    await says("The person is deleted.");

    await follow("Protection");
    await fill("Presence", "number, code");
    await page.keyboard.press("Enter");
    await says("The protection is saved.");
    const protection = (await call("GET", `${app.path}/Protection`)).body;
    assert.deepEqual(protection.presence, ["number", "code"]);

    await page.goto(`${page.console}/services/${app.sid}`);
    await follow("Its integrations");
    await follow("New integration by Duo Auth API");
    await fill("Name", "ssh");
    await press("Make the integration");
    await says("The integration is made.");
    const duo = (await call("GET", `${app.path}/Integrations`)).body.integrations[0];
    assert.deepEqual([duo.kind, duo.friendly_name], ["duo", "ssh"]);
    const first = await page.locator("code.secret").innerText();
    assert.equal(first.length, 40);
    await follow("Change");
    await fill("Seconds that a prompt lives", "5");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await follow("Seconds that a prompt lives must be");
    await page.keyboard.press("ControlOrMeta+A");
    await page.keyboard.insertText("90");
    await page.keyboard.press("Enter");
    await says("The integration is saved.");
    await follow("New secret");
    await press("Make a new secret");
    await says("The integration has a new secret.");
    assert.notEqual(await page.locator("code.secret").innerText(), first);
    await follow("Delete");
    await press("Delete the integration");
    await says("The integration is deleted.");

    await page.goto(`${page.console}/operators`);
    const name = `night-${person.identity.slice(0, 8)}`;
    await fill("Name of the new operator", name);
    await page.keyboard.press("Enter");
    await says("The operator is added.");
    const newcomer = await visit(scene, t);
    await newcomer.goto(await page.getByLabel("The link, to copy").inputValue());
    await newcomer.getByRole("button", { name: "Sign in" }).click();
    await newcomer.getByRole("heading", { name: `Sign in as ${name}` }).waitFor();
    await press("Make a link that signs in");
    await says("The link is made.");
    await follow("Remove the operator");
    await press("Remove the operator");
    await says("The operator is removed.");

    const url = await refusing(t);
    await page.goto(`${page.console}/webhooks?service=${app.sid}`);
    await follow("New webhook");
    await fill("Name", "orders");
    await fill("URL", url);
    await tick("challenge.approved");
    await press("Make the webhook");
    await says("The webhook is made.");
    await press("Send a test event");
    await page.getByText("The application responded with status 500").waitFor();
    await page.getByText("down for <b>repairs</b>").waitFor();
    assert.equal(await page.getByText("hush").count(), 0);
    await page.reload();
    await page.getByText("The application responded with status 500").waitFor();
    await follow("Delete");
    await press("Delete the webhook");
    await says("The webhook is deleted.");

    await page.goto(`${page.console}/api-keys`);
    await fill("Name of the new key", "the shop");
    await page.keyboard.press("Enter");
    const secret = page.locator("code.secret");
    await secret.waitFor();
    const sid = await page.locator("dd code").first().innerText();
    const asKey = async () => {
      const pair = Buffer.from(`${sid}:${await secret.innerText()}`).toString("base64");
      return (await fetch(`${server.url}/v2/Services`, { headers: { Authorization: `Basic ${pair}` } })).status;
    };
    assert.equal(await asKey(), 200);
    await page.reload();
    assert.equal(await asKey(), 200, "loading the page again makes no other key");
    await page.goto(`${page.console}/api-keys/${sid}/revoke`);
    await press("Revoke the key");
    await says("The API key is revoked.");

    await page.goto(`${page.console}/credentials/new?type=fcm`);
    await fill("Name", "the app");
    await fill("Service account", "no JSON");
    await press("Make the credential");
    await page.getByRole("alert").getByText("Service account").waitFor();

    await page.goto(`${page.console}/services/${app.sid}`);
    await follow("Delete the service");
    await press("Delete the service");
    await says("The service is deleted.");
  });

  test("enrolment is seen as it happens", async (t) => {
    const page = await operator(scene, t);
    const { identity } = scene.app.person();
    await page.goto(`${page.console}/enrol?service=${scene.app.sid}&identity=${identity}`);
    await page.getByRole("button", { name: "Make a link" }).click();
    await page.getByText("Valid for another").waitFor();
    await page.evaluate(() => (globalThis.untouched = true));
    const device = await visit(scene, t);
    await enrol(device, await page.getByLabel("The link, to copy").inputValue());
    await page.getByText("Enrolled.").waitFor();
    assert.equal(await page.evaluate(() => globalThis.untouched), true, "the page was not loaded again");
  });

  test("a deep link and what was typed survive the end of a session", async (t) => {
    const page = await door(scene, t);
    await page.goto(`${page.console}/services/${scene.app.sid}/protection`);
    await page.getByRole("heading", { name: "Sign in" }).waitFor();
    await signIn(page, server.token);
    await page.getByRole("heading", { name: "Protection" }).waitFor();
    await page.getByLabel("Minutes of the first pause").fill("23");
    await page.context().clearCookies();
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "Your session is over" }).waitFor();
    await look(page, "console-jobs-over-desktop-light");
    const opened = page.waitForEvent("popup");
    await page.getByRole("link", { name: "Sign in, in a new window" }).click();
    const other = await opened;
    await signIn(other, server.token);
    await other.getByRole("heading", { name: "Overview" }).waitFor();
    await page.getByRole("button", { name: "Send it now" }).click();
    await page.getByText("The protection is saved.").waitFor();
    assert.equal((await call("GET", `${scene.app.path}/Protection`)).body.pause_minutes, 23);
  });

  test("have no barrier in any state", async (t) => {
    const app = await Application.create("Harbour Bank");
    t.after(() => app.remove());
    const person = await ann({ app }, await visit(scene, t));
    const url = await refusing(t);
    const hook = { FriendlyName: "orders", EventTypes: "factor.created", WebhookUrl: url };
    const { body: webhook } = await call("POST", `${app.path}/Webhooks`, hook);
    await enrol(await visit(scene, t), await app.person().link());

    const page = await operator(scene, t, { reducedMotion: "reduce" });
    const shot = (what) => look.around(page, `console-jobs-${what}`);
    const at = (path) => page.goto(`${page.console}${path}`);
    const press = (button) => page.getByRole("button", { name: button }).click();
    const wrong = async (what) => {
      await page.getByRole("alert").waitFor();
      assert.match(await page.title(), /^Error: /, what);
      await shot(what);
    };
    const service = `/services/${app.sid}`;
    const who = `${service}/people/${person.identity}`;
    const device = `${who}/devices/${(await person.factor()).sid}`;

    await at(who);
    await shot("person");
    await at(`${device}/name`);
    await page.getByLabel("Name of the device").fill("");
    await press("Rename");
    await wrong("rename-wrong");
    await at(`${device}/remove`);
    await shot("remove");
    await at(`${who}/pause`);
    await page.getByLabel("Hours of the pause").fill("0");
    await press("Pause");
    await wrong("pause-wrong");
    await page.getByLabel("Hours of the pause").fill("2");
    await press("Pause");
    await shot("paused");
    await at(`${who}/delete`);
    await shot("person-delete");
    await at(`${service}/protection`);
    await page.getByLabel("Presence").fill("none, code");
    await press("Save");
    await wrong("protection-wrong");
    await at(`${service}/delete`);
    await shot("service-delete");

    await at(`${service}/integrations`);
    await shot("integrations-none");
    await at(`${service}/integrations/new?Kind=radius`);
    await page.getByLabel("Name", { exact: true }).fill("Office VPN");
    await press("Make the integration");
    await wrong("integration-wrong");
    await page.getByLabel("Networks that requests may come from").fill("192.0.2.0/24");
    await press("Make the integration");
    await page.locator("code.secret").waitFor();
    await shot("integration");
    const integration = new URL(page.url()).pathname.replace("/console", "");
    await at(`${service}/integrations`);
    await shot("integrations");
    await at(`${integration}?user=ann`);
    await page.getByRole("status").filter({ hasText: "ann is" }).waitFor();
    await shot("integration-user");
    await at(`${integration}/secret`);
    await shot("integration-secret");
    await at(`${service}/integrations/new?Kind=openid`);
    await page.getByLabel("Name", { exact: true }).fill("The shop");
    await page.getByLabel("Questions by CIBA").selectOption("ping");
    await press("Make the integration");
    await wrong("integration-openid-wrong");
    await at(`${service}/integrations/new?Kind=forward_auth`);
    await page.getByLabel("Name", { exact: true }).fill("The wiki");
    await page.getByLabel("Sites that it protects").fill("https://wiki.example.com");
    await press("Make the integration");
    await page.locator("code.secret").waitFor();
    await shot("integration-forward-auth");

    await at("/operators");
    await page.getByLabel("Name of the new operator").fill("no name");
    await press("Add the operator");
    await wrong("operator-wrong");
    await page.getByLabel("Name of the new operator").fill(`day-${person.identity.slice(0, 8)}`);
    await press("Add the operator");
    await page.getByLabel("The link, to copy").waitFor();
    await shot("operator");
    await at(`${new URL(page.url()).pathname.replace("/console", "")}/remove`);
    await shot("operator-remove");
    await press("Remove the operator");
    await page.getByRole("status").filter({ hasText: "The operator is removed." }).waitFor();
    await shot("operators");

    await at("/credentials/new?type=apn");
    await shot("credential");
    await page.getByLabel("Private key").fill("no key");
    await press("Make the credential");
    await wrong("credential-wrong");

    await at(`/webhooks/new?service=${app.sid}`);
    await page.getByLabel("URL").fill("hook");
    await page.getByLabel("Name").fill("orders");
    await press("Make the webhook");
    await wrong("webhook-wrong");
    await at(`/webhooks/${app.sid}/${webhook.sid}`);
    await press("Send a test event");
    await page.getByText("The application responded with status 500").waitFor();
    await page.getByText(/failed \d+ times/).first().waitFor();
    await page.getByText("What the application responded").first().click();
    await shot("webhook-tested");
    await at(`/webhooks/${app.sid}/${webhook.sid}/secret`);
    await shot("webhook-secret");
    await at(`/webhooks/${app.sid}/${webhook.sid}/delete`);
    await shot("webhook-delete");

    await at("/api-keys");
    await press("Make a key");
    await wrong("key-wrong");
    await page.getByLabel("Name of the new key").fill("the shop");
    await press("Make a key");
    await page.locator("code.secret").waitFor();
    await shot("key");
    await page.goto(await page.getByRole("link", { name: "Revoke" }).last().getAttribute("href").then((it) => new URL(it, server.url).href));
    await shot("key-revoke");
    await press("Revoke the key");

    await at(`/enrol?service=${app.sid}&identity=${person.identity}`);
    await page.getByLabel("Identity of the person").fill("sam");
    await press("Make a link");
    await wrong("enrol-wrong");
    await page.getByLabel("Identity of the person").fill(person.identity);
    await press("Make a link");
    await page.getByText("Valid for another").waitFor();
    await shot("invitation");
    const link = await page.getByLabel("The link, to copy").inputValue();
    await enrol(await visit(scene, t), link);
    await page.getByText("Enrolled.").waitFor();
    await shot("enrolled");
  });
});
