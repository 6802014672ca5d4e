// The sign-in page before a site behind a real nginx and a real Caddy; the browser authenticator is the device.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { after, before, describe, test } from "node:test";
import { eye } from "./look.mjs";
import { protect } from "./sites.mjs";
import { ann, call, stage, visit } from "./stage.mjs";

const QUESTION = "Sign in to Owl wiki?";

/** Comes to the page from the site, and types a name. */
async function begin(page, site, user, path = "/deep?x=1") {
  await page.goto(site.url + path);
  await page.getByRole("heading", { name: "Sign in to Owl wiki" }).waitFor();
  await page.getByLabel("User name").fill(user);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("heading", { name: "Check your device" }).waitFor();
}

/** The number on the page. */
const number = (page) => page.locator(".number").innerText();

/** The question on the device, which takes numbers. */
function asked(device) {
  return device.getByRole("dialog", { name: QUESTION });
}

async function approve(device, digits) {
  const sheet = asked(device);
  await sheet.getByLabel("Number that").fill(digits);
  await sheet.getByRole("button", { name: "Approve", disabled: false }).click();
  await sheet.waitFor({ state: "hidden" });
}

for (const kind of ["nginx", "caddy"]) {
  describe(`a site behind ${kind}`, () => {
    const scene = stage();
    let site;
    before(async () => {
      site = await protect(kind, scene.app);
    });
    after(() => site?.stop());

    test("lets a browser in after the number was entered, to the page that was wanted", async (t) => {
      const device = await visit(scene, t);
      const person = await ann(scene, device);
      const page = await visit(scene, t);
      await begin(page, site, person.identity.toUpperCase());
      await approve(device, await number(page));
      await page.waitForURL(`${site.url}/deep?x=1`);
      await page.getByRole("heading", { name: `Hello ${person.identity}` }).waitFor();
      await page.getByText("/deep?x=1").waitFor();
      const spoofed = await page.evaluate(async () => {
        const headers = { "Remote-User": "root", "X-Original-URL": "http://a/", "X-Forwarded-Host": "a" };
        return (await fetch("/", { headers })).text();
      });
      assert.ok(spoofed.includes(`Hello ${person.identity}`), spoofed);

      await page.goto(`${site.url}/forward-auth/${site.key}/sign-out`);
      await page.getByText("You are signed out.").waitFor();
      await page.goto(site.url);
      await page.getByRole("heading", { name: "Sign in to Owl wiki" }).waitFor();
    });

    test("ends every session when the integration has another secret", async (t) => {
      const device = await visit(scene, t);
      const person = await ann(scene, device);
      const page = await visit(scene, t);
      await begin(page, site, person.identity);
      await approve(device, await number(page));
      await page.waitForURL(`${site.url}/deep?x=1`);
      await call("POST", `${site.path}/Secret`);
      await page.goto(site.url);
      await page.getByRole("heading", { name: "Sign in to Owl wiki" }).waitFor();
    });
  });
}

describe("the sign-in page", () => {
  const scene = stage();
  let site;
  let look;
  before(async () => {
    site = await protect("nginx", scene.app);
    look = await eye();
  });
  after(() => site?.stop());

  test("needs no number in a browser that is remembered", async (t) => {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const page = await visit(scene, t);
    await page.goto(site.url);
    await page.getByLabel("User name").fill(person.identity);
    await page.getByLabel("Remember me in this browser").check();
    await page.getByRole("button", { name: "Continue" }).click();
    await approve(device, await number(page));
    await page.getByRole("heading", { name: "Hello" }).waitFor();
    await page.goto(`${site.url}/forward-auth/${site.key}/sign-out`);
    await page.goto(site.url);
    assert.equal(await page.getByLabel("User name").inputValue(), person.identity);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByText("Approve the sign-in on your device.").waitFor();
    await asked(device).getByRole("button", { name: "Approve", disabled: false }).click();
    await page.getByRole("heading", { name: "Hello" }).waitFor();
  });

  test("says that it was denied, and that it was somebody else", async (t) => {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const page = await visit(scene, t);
    await begin(page, site, person.identity);
    await asked(device).getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    await page.getByText("The sign-in was denied on the device.").waitFor();
    await page.getByRole("link", { name: "Try again" }).click();
    await page.getByLabel("User name").fill(person.identity);
    await page.getByRole("button", { name: "Continue" }).click();
    await asked(device).getByRole("button", { name: "It was not me", disabled: false }).click();
    await device.getByRole("button", { name: "Deny and report" }).click();
    await page.getByText("somebody else had begun it").waitFor();
  });

  test("takes a code of an authenticator app, and says that another is wrong", async (t) => {
    const person = scene.app.person();
    const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    const form = { FriendlyName: "app", FactorType: "totp", "Binding.Secret": secret };
    await call("POST", `${scene.app.path}/Entities`, { Identity: person.identity });
    const { body } = await call("POST", `${person.path}/Factors`, form);
    const step = Math.floor(Date.now() / 30_000);
    await call("POST", `${person.path}/Factors/${body.sid}`, { AuthPayload: totp(step) });
    const page = await visit(scene, t);
    await begin(page, site, person.identity);
    const type = async (code) => {
      await page.getByLabel("Code", { exact: true }).fill(code);
      await page.getByRole("button", { name: "Check the code" }).click();
    };
    await page.getByText("Use a code instead").click();
    await type(totp(step));
    await page.getByText("not the right code, or it was used").waitFor();
    // The next step, which is taken early, but may have begun.
    await type(totp(Math.max(step, Math.floor(Date.now() / 30_000)) + 1));
    await page.getByRole("heading", { name: `Hello ${person.identity}` }).waitFor();
  });

  test("shows a name that nobody has as any other, and sends nothing", async (t) => {
    const device = await visit(scene, t);
    await ann(scene, device);
    const page = await visit(scene, t);
    await begin(page, site, "nobody-0001");
    assert.match(await number(page), /^\d\d$/);
    await page.getByText("Waiting for your answer").waitFor();
    assert.equal(await asked(device).count(), 0);
  });

  test("says that the server cannot be reached, and goes on when it can be", async (t) => {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const page = await visit(scene, t);
    await begin(page, site, person.identity);
    const digits = await number(page);
    await page.route("**/sign-in/poll*", (route) => route.abort());
    await page.reload();
    await page.getByText("The server cannot be reached.").waitFor();
    await page.unroute("**/sign-in/poll*");
    await approve(device, digits);
    await page.getByRole("heading", { name: "Hello" }).waitFor();
  });

  test("works without scripts", async (t) => {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const page = await visit(scene, t, { javaScriptEnabled: false });
    await begin(page, site, person.identity);
    await approve(device, await number(page));
    await page.getByRole("button", { name: "I have answered" }).click();
    await page.getByRole("heading", { name: `Hello ${person.identity}` }).waitFor();
  });

  for (const [locale, heading, direction] of [
    ["de-AT", "Bei Owl wiki anmelden", "ltr"],
    ["fr-FR", "Se connecter à Owl wiki", "ltr"],
    ["ar-EG", "تسجيل الدخول إلى Owl wiki", "rtl"],
  ]) {
    test(`speaks ${locale}`, async (t) => {
      const page = await visit(scene, t, { locale });
      await page.goto(site.url);
      await page.getByRole("heading", { name: heading }).waitFor();
      assert.equal(await page.evaluate(() => getComputedStyle(document.body).direction), direction);
      await look(page, `sign-in-${locale}`);
    });
  }

  test("has no violation of axe's rules and fits, on a phone and a broad screen, in light and dark", async (t) => {
    const page = await visit(scene, t);
    await page.goto(site.url);
    await page.getByRole("heading", { name: "Sign in to Owl wiki" }).waitFor();
    await look.around(page, "sign-in-who");
    await page.getByLabel("User name").fill("ann.porter");
    await page.getByRole("button", { name: "Continue" }).click();
    await page.locator(".number").waitFor();
    await look.around(page, "sign-in-number");
    await page.getByText("Use a code instead").click();
    await page.getByLabel("Code", { exact: true }).fill("123456");
    await page.getByRole("button", { name: "Check the code" }).click();
    await page.getByText("not the right code").waitFor();
    await look.around(page, "sign-in-wrong-code");
    await page.goto(`${new URL(page.url()).origin}/sign-in?r=x`);
    await page.getByText("This page is no longer current.").waitFor();
    await look.around(page, "sign-in-gone");
  });
});

/** The code of a time step under the secret of the test (RFC 6238), whose bytes are "12345678901234567890". */
function totp(step) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(step));
  const mac = createHmac("sha1", "12345678901234567890").update(counter).digest();
  const at = mac.at(-1) & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}
