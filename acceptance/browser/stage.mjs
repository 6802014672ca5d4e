// Set-up of the tests: an application with a service, a browser, and people who enrol.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { server } from "../node/wire.mjs";

/** The longest wait for something to show: only what never comes takes as long. */
export const PATIENCE = 60_000;
/** Pixels for each of CSS. Pictures for people, which PICTURES=1 asks for, have twice as many. */
export const DENSITY = process.env.PICTURES === "1" ? 2 : 1;
const FLAGS = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"];

/** A browser, with flags of its own. */
export function launch(flags = []) {
  const sandbox = process.getuid?.() === 0 ? ["--no-sandbox"] : [];
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: [...sandbox, ...FLAGS, ...flags],
  });
}

/** A browser and a service, for one file of tests. */
export function stage() {
  const scene = {};
  before(async () => {
    scene.browser = await launch();
    scene.app = await Application.create("Harbour Bank");
  });
  after(async () => {
    await scene.browser?.close();
    await scene.app?.remove();
  });
  return scene;
}

/** A new browser profile. Errors and warnings of the page fail the test, unless it `mayComplain`. */
export async function visit(scene, test, { url = server.url, mayComplain = false, ...options } = {}) {
  const context = await scene.browser.newContext({ locale: "en-GB", deviceScaleFactor: DENSITY, ...options });
  context.setDefaultTimeout(PATIENCE);
  const complaints = [];
  const watch = (page) => {
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (message) => {
      if (/Content Security Policy|Trusted/i.test(message.text())) complaints.push(message.text());
    });
  };
  context.on("page", watch);
  await context.addInitScript(remember);
  const page = await context.newPage();
  test.after(async () => {
    await context.close();
    if (!mayComplain) assert.deepEqual(complaints, []);
  });
  return Object.assign(page, { home: `${url}/authenticator` });
}

/** In the page: remembers the texts of the notices that were shown. */
function remember() {
  globalThis.noticed = [];
  document.addEventListener("DOMContentLoaded", () => {
    const place = document.getElementById("notices");
    if (!place) return;
    const note = () => {
      for (const notice of place.children) if (notice.checkVisibility()) globalThis.noticed.push(notice.textContent);
    };
    new MutationObserver(note).observe(place, { childList: true });
  });
}

/** Waits until the page has shown a notice with this text. It may be gone again: most go by themselves. */
export function noticed(page, text) {
  return page.waitForFunction((text) => globalThis.noticed.some((notice) => notice.includes(text)), text);
}

/** Opens an enrolment link and adds the device, with two taps. */
export async function enrol(page, link) {
  await page.goto(link);
  await page.getByRole("button", { name: "Add this device" }).click();
  await page.locator("#enrol").waitFor({ state: "hidden" });
}

/** Waits until animations have ended, or their element is gone: until then boxes move between two measurements. */
export async function stands(page) {
  await page.evaluate(() => {
    const ends = (one) => Number.isFinite(one.effect.getComputedTiming().endTime);
    return Promise.allSettled(
      document
        .getAnimations()
        .filter(ends)
        .map((one) => one.finished),
    );
  });
}

/** Waits until the page has been drawn with the last change. */
export function drawn(page) {
  return page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve))));
}

/** Keeps the next notice, which would go by itself: it gets the focus as soon as it is shown. */
export function hold(page) {
  return page.evaluate(() => {
    const place = document.getElementById("notices");
    const focus = (changes, observer) => {
      const [notice] = changes.flatMap(({ addedNodes }) => [...addedNodes]);
      if (!notice) return;
      notice.querySelector("button").focus();
      observer.disconnect();
    };
    new MutationObserver(focus).observe(place, { childList: true });
  });
}

/** Dismisses the notices that are shown, all at once: those that nobody holds may go before a press of a button. */
export function dismissAll(page) {
  return page.evaluate(() => {
    for (const button of document.querySelectorAll("#notices button")) button.click();
    globalThis.noticed.length = 0;
  });
}

/** Brings all of a question into view, part by part. */
export async function readOn(sheet) {
  // Looked at and pressed in one step: the button goes when all was in view.
  const isOver = () =>
    sheet.evaluate((sheet) => {
      if (sheet.querySelector("#prompt-unread").hidden) return true;
      sheet.querySelector("#prompt-next").click();
      return false;
    });
  while (!(await isOver())) await drawn(sheet.page());
}

/**
 * The notifications that the worker under `scope` shows, once they are this many. Listed under the page's own lock: Chromium loses
 * a notification that appears while it lists them.
 */
export function notifications(page, scope, count) {
  const until = async ([scope, count, patience]) => {
    const began = performance.now();
    for (;;) {
      const registration = await navigator.serviceWorker.getRegistration(scope);
      const shown = await navigator.locks.request("notifications", () => registration.getNotifications());
      if (shown.length === count)
        return shown.map(({ title, body, tag, data, silent, requireInteraction }) => ({
          title,
          body,
          tag,
          data,
          silent,
          requireInteraction,
        }));
      if (performance.now() - began > patience)
        throw new Error(`${shown.length} notifications are shown, not ${count}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  return page.evaluate(until, [scope, count, PATIENCE]);
}

/** Ann, enrolled: her account, and a way to challenge her. */
export async function ann(scene, page, options) {
  const person = scene.app.person();
  await enrol(page, await person.link({ url: new URL(page.home).origin, ...options }));
  await page
    .getByText(/^Connected (while|in another)/)
    .first()
    .waitFor();
  return person;
}

/** The application: it calls the REST API with its account's credentials. */
export class Application {
  static async create(name) {
    const { body } = await call("POST", "/v2/Services", { FriendlyName: name });
    return new Application(body.sid, name);
  }

  constructor(sid, name) {
    this.sid = sid;
    this.name = name;
    this.path = `/v2/Services/${sid}`;
  }

  person(identity = randomUUID()) {
    return new Person(this, identity);
  }

  remove() {
    return call("DELETE", this.path);
  }
}

/** A person whom the application challenges. */
class Person {
  constructor(app, identity) {
    this.app = app;
    this.identity = identity;
    this.path = `${app.path}/Entities/${identity}`;
  }

  /** An enrolment link, which lasts as long as links can. */
  async link({ url = server.url, push, label, ttl = 300, ...others } = {}) {
    const form = { Identity: this.identity, FactorType: "push", Ttl: ttl, ...(label && { AccountLabel: label }) };
    const { body } = await call("POST", `${this.app.path}/AccessTokens`, form);
    this.token = body.sid;
    const parts = { service: this.app.sid, identity: this.identity, token: body.token, ...others };
    return `${url}/authenticator#${new URLSearchParams({ ...parts, ...(push && { push }) })}`;
  }

  async factors() {
    return (await call("GET", `${this.path}/Factors`)).body.factors;
  }

  /** The newest factor. */
  async factor() {
    const factors = await this.factors();
    assert.ok(factors.length > 0, "nobody enrolled");
    return factors.at(-1);
  }

  /** Opens a challenge; returns its SID. */
  async ask(message, { fields = [], seconds, factor } = {}) {
    const form = [
      ["FactorSid", (factor ?? (await this.factor())).sid],
      ["Details.Message", message],
      ...fields.map(([label, value]) => ["Details.Fields", JSON.stringify({ label, value })]),
    ];
    if (seconds) form.push(["ExpirationDate", new Date(Date.now() + seconds * 1_000).toISOString()]);
    const { body } = await call("POST", `${this.path}/Challenges`, form);
    return body.sid;
  }

  /**
   * Opens a challenge that expires soon, but not before it is seen: a slow machine gets more time, in a new challenge. Returns
   * its SID.
   */
  async askBriefly(message, seen, others) {
    for (let seconds = 5; ; seconds *= 3) {
      const sid = await this.ask(message, { ...others, seconds });
      const isSeen = seen().then(
        () => true,
        () => false,
      );
      const isOver = this.outcome(sid).then((status) => status === "pending");
      if (await Promise.race([isSeen, isOver])) return sid;
      assert.ok(seconds < 600, `${message} is not seen`);
    }
  }

  /** Asks all devices of the person; returns the group's challenges. */
  async askAll(message) {
    const form = { Devices: "all", "Details.Message": message };
    return (await call("POST", `${this.path}/Challenges`, form)).body.challenges;
  }

  /** The status of a challenge, once it is no longer pending. */
  async outcome(sid) {
    let status = "pending";
    for (let waited = 0; status === "pending" && waited < PATIENCE; waited += 30_000)
      ({ status } = (await call("GET", `${this.path}/Challenges/${sid}?WaitSeconds=30`)).body);
    return status;
  }

  /** The only notification of a challenge, once it is delivered: the device's word for it comes apart from the answer. */
  async delivered(sid) {
    const path = `${this.path}/Challenges/${sid}/Notifications`;
    for (const began = Date.now(); ; await new Promise((resolve) => setTimeout(resolve, 50))) {
      const [notification, ...others] = (await call("GET", path)).body.notifications;
      assert.equal(others.length, 0);
      if (notification?.status === "delivered") return notification;
      assert.ok(Date.now() - began < PATIENCE, `it is ${notification?.status}`);
    }
  }
}

/** A call of the application, which must succeed. */
export async function call(method, path, form) {
  const response = await fetch(server.url + path, {
    method,
    headers: { Authorization: `Basic ${Buffer.from(`${server.sid}:${server.token}`).toString("base64")}` },
    body: form && new URLSearchParams(form),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return { status: response.status, body: text && JSON.parse(text) };
}
