// The overview of the console: what is wrong, really caused, and rates. A server of its own, which pushes to the stand-in for Apple.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Phone } from "../node/phone.mjs";
import { eye } from "./look.mjs";
import { freePort } from "./port.mjs";
import { launch, PATIENCE, visit } from "./stage.mjs";

/** A challenge is counted half a minute after it was asked. */
const COUNTED = 120_000;

const HALF_HOUR = 1_800_000;

/** Waits for the next half hour if it is near: what is asked then is counted in one bar, in zones of half hours too. */
async function awayFromTheHalfHour() {
  const left = HALF_HOUR - (Date.now() % HALF_HOUR);
  if (left < 60_000) await new Promise((resolve) => setTimeout(resolve, left + 1_000));
}

/** Starts the program, and waits until it has printed this. */
async function begin(started, args, words, env = {}) {
  const program = spawn(process.env.ACCEPTANCE_PROGRAM, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  started.push(program);
  let said = "";
  await new Promise((resolve, reject) => {
    const hear = (text) => {
      said += text;
      if (said.includes(words)) resolve();
    };
    program.stdout.on("data", hear);
    program.stderr.on("data", hear);
    program.on("exit", () => reject(new Error(`it ended: ${said}`)));
  });
}

describe("the overview", () => {
  const scene = {};
  const started = [];
  let look;

  /** A call of the application. */
  const call = async (method, path, form) => {
    const response = await fetch(scene.url + path, {
      method,
      headers: { Authorization: `Basic ${Buffer.from(`${scene.sid}:${scene.token}`).toString("base64")}` },
      body: form && new URLSearchParams(form),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return text && JSON.parse(text);
  };

  /** A browser that is signed in. */
  const operator = async (t, options) => {
    const page = await visit(scene, t, { reducedMotion: "reduce", ...options });
    await page.goto(`${scene.url}/console`);
    await page.getByLabel("Account SID").fill(scene.sid);
    await page.getByLabel("Auth token").fill(scene.token);
    await page.getByRole("button", { name: "Sign in" }).click();
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    return page;
  };

  before(async () => {
    look = await eye();
    scene.browser = await launch();
    scene.folder = await mkdtemp(join(tmpdir(), "countersign-overview-"));
    const standIns = join(scene.folder, "stand-ins");
    await begin(started, ["stand-ins", "--folder", standIns], "Ctrl-C ends the stand-ins");
    const port = await freePort();
    Object.assign(scene, {
      url: `http://127.0.0.1:${port}`,
      sid: `AC${randomBytes(16).toString("hex")}`,
      token: randomBytes(32).toString("hex"),
    });
    const flags = ["--config", join(standIns, "countersign.toml"), "--data-dir", join(scene.folder, "data")];
    const own = ["serve", ...flags, "--listen", `127.0.0.1:${port}`, "--public-url", scene.url];
    const account = { COUNTERSIGN_ACCOUNT_SID: scene.sid, COUNTERSIGN_AUTH_TOKEN: scene.token };
    const limits = { COUNTERSIGN_LIMITS__PUSH_CHALLENGES_IN_A_ROW: "0" };
    await begin(started, own, scene.url, { ...account, ...limits });
    for (;;) {
      const response = await fetch(`${scene.url}/readyz`).catch(() => undefined);
      if (response?.ok) break;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    scene.service = (await call("POST", "/v2/Services", { FriendlyName: "Harbour Bank" })).sid;
  });
  after(async () => {
    await scene.browser?.close();
    for (const program of started.reverse()) {
      const ended = new Promise((resolve) => program.on("exit", resolve));
      if (program.exitCode === null && program.kill("SIGINT")) await ended;
    }
    if (scene.folder) await rm(scene.folder, { recursive: true });
  });

  /** A phone that Apple's push service wakes. */
  const enrol = async (identity) => {
    const phone = new Phone(scene.url);
    const path = `/v2/Services/${scene.service}/Entities/${identity}`;
    const factor = await call("POST", `${path}/Factors`, {
      FriendlyName: "Sam's phone",
      FactorType: "push",
      "Binding.Alg": "ES256",
      "Binding.PublicKey": phone.publicKey,
      "Config.AppId": "com.example.harbour",
      "Config.NotificationPlatform": "apn",
      "Config.NotificationToken": "0f".repeat(32),
      "Config.SdkVersion": "1.0.0",
    });
    phone.keep({ ...factor, accountSid: factor.account_sid, serviceSid: factor.service_sid });
    await call("POST", `${path}/Factors/${factor.sid}`, { AuthPayload: phone.proof() });
    // They stay open for as long as the tests run.
    const ask = (message) =>
      call("POST", `${path}/Challenges`, {
        FactorSid: factor.sid,
        "Details.Message": message,
        ExpirationDate: new Date(Date.now() + 3_000_000).toISOString(),
      });
    return { phone, ask };
  };

  test("says that all is well, and then what is wrong, with its cause and a link to the page that fixes it", async (t) => {
    const page = await operator(t);
    await page.getByText("All is well. Checked at").waitFor();
    await look.around(page, "overview-well");

    // A key that Apple does not know, and an application that is away.
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const credential = await call("POST", "/v1/Credentials", {
      Type: "apn",
      FriendlyName: "the app",
      PrivateKey: privateKey.export({ type: "pkcs8", format: "pem" }),
      KeyId: "ABCDE12345",
      TeamId: "TEAM123456",
      Topic: "com.example.harbour",
    });
    await call("POST", `/v2/Services/${scene.service}`, { "Push.ApnCredentialSid": credential.sid });
    const hook = { FriendlyName: "orders", EventTypes: "factor.verified", WebhookUrl: "http://127.0.0.1:9/hook" };
    const webhook = await call("POST", `/v2/Services/${scene.service}/Webhooks`, hook);
    await page.evaluate(() => (globalThis.untouched = true));
    const { phone, ask } = await enrol("sam-porter");
    await awayFromTheHalfHour();
    for (const verdict of ["approved", "approved", "denied"]) {
      const { sid } = await ask("Log in to Harbour Bank?");
      await phone.answer(sid, verdict);
    }
    const { sid } = await ask("Pay 40 EUR to Ferry Lines?");
    const pushes = `/v2/Services/${scene.service}/Entities/sam-porter/Challenges/${sid}/Notifications`;
    while ((await call("GET", pushes)).notifications[0]?.status !== "failed")
      await new Promise((resolve) => setTimeout(resolve, 50));

    const refused = page.getByRole("listitem").filter({ hasText: "The push credential “the app” is refused" });
    await refused.getByText("InvalidProviderToken").waitFor();
    await refused.getByText(/^since /).waitFor();
    const failing = page.getByRole("listitem").filter({ hasText: "Calls of the webhook “orders” fail" });
    await failing.getByText(/1 call waits, 1 of them after a failure/).waitFor();
    assert.equal(await page.evaluate(() => globalThis.untouched), true, "it appears by itself");
    assert.equal(await page.getByText("All is well").count(), 0);

    // By the keyboard alone.
    const follow = async (link, address) => {
      await link.focus();
      await page.keyboard.press("Enter");
      await page.waitForURL((url) => url.href.endsWith(address));
      await page.goBack();
      await page.getByRole("heading", { name: "Overview" }).waitFor();
    };
    await follow(failing.getByRole("link"), `/console/webhooks/${scene.service}/${webhook.sid}`);
    await follow(refused.getByRole("link"), `/console/credentials#credential-${credential.sid}`);
    await page.goto(`${scene.url}/console/credentials#credential-${credential.sid}`);
    assert.equal(await page.locator(`#credential-${credential.sid}`).count(), 1, "the link leads to the credential");

    // Changed, it may work; the next push tells.
    await call("POST", `/v1/Credentials/${credential.sid}`, { FriendlyName: "the app, repaired" });
    await page.goto(`${scene.url}/console`);
    await failing.waitFor();
    assert.equal(await page.getByText("is refused").count(), 0);
    await ask("Still there?");
    await page.getByText("The push credential “the app, repaired” is refused").first().waitFor();
  });

  test("shows rates whose bars tell their values and lead to the timeline", async (t) => {
    const page = await operator(t);
    const bar = page.locator("#challenges a.stack").filter({ hasText: "2 approved, 1 denied" });
    await bar.waitFor({ state: "attached", timeout: COUNTED });
    assert.match(await bar.getAttribute("aria-label"), /^\d\d:00 to \d\d:00: \d+ challenges: 2 approved, 1 denied, \d+ open$/);
    const tip = bar.locator(".tip");
    assert.equal(await tip.isVisible(), false);
    await bar.hover();
    await tip.waitFor({ state: "visible", timeout: PATIENCE });
    await page.mouse.move(0, 0);
    await tip.waitFor({ state: "hidden" });
    await page.locator("h2").filter({ hasText: "The last 24 hours" }).waitFor();
    await page.getByRole("link", { name: "30 days" }).focus();
    await page.keyboard.press("Tab");
    const newest = page.locator("#challenges a.stack").first();
    assert.equal(await newest.evaluate((element) => element === document.activeElement), true, "one stop from the ranges");
    await newest.locator(".tip").waitFor({ state: "visible" });
    await page.getByRole("table").filter({ hasText: "Apple (apn)" }).waitFor();
    await page.getByText("As a table").first().click();
    await page.getByRole("columnheader", { name: "Denied" }).first().waitFor();
    await page.evaluate(() => scrollTo(0, 0));
    await look.around(page, "overview-rates");
    await bar.focus();
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/console\/timeline\?from=\S+Z&to=\S+Z$/);
    await page.goBack();
    await page.getByRole("link", { name: "30 days" }).click();
    await page.getByRole("heading", { name: "The last 30 days" }).waitFor();
    await page.getByText(/2 approved/).first().waitFor({ state: "attached" });
    await page.getByText("by days of UTC").first().waitFor();

    // Hours are those of the reader's clock, and are labelled every six.
    const away = await operator(t, { timezoneId: "Asia/Kolkata" });
    const theirs = away.locator("#challenges .column").filter({ hasText: "2 approved, 1 denied" });
    const link = theirs.locator("a.stack");
    // A script names the hours, all at once.
    await link.and(away.locator("[aria-label*=':30 to ']")).waitFor({ state: "attached" });
    assert.match(await link.getAttribute("aria-label"), /^\d\d:30 to \d\d:30: \d+ challenges: 2 approved, 1 denied/);
    const from = new Date(await theirs.getAttribute("data-from"));
    const form = { timeStyle: "short", timeZone: "Asia/Kolkata" };
    const begin = new Intl.DateTimeFormat("en-GB", form).format(from);
    assert.ok((await link.getAttribute("aria-label")).startsWith(begin), begin);
    assert.match(await away.locator("#challenges tbody th").first().textContent(), /^\d\d:30 to \d\d:30$/);
    await away.getByText("by hours of Asia/").first().waitFor();
    const ticks = await away.locator("#challenges .hour").allTextContents();
    const named = ticks.filter((tick) => tick !== "");
    assert.ok(named.length >= 3 && named.every((tick) => ["00:30", "06:30", "12:30", "18:30"].includes(tick)), named.join());
  });
});
