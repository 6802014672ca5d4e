// Web Push: the worker, its notifications and taps on them. Only the browser's push service is not real: none can be
// reached, so the debugging protocol delivers the pushes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, enrol, noticed, notifications, stage, visit } from "./stage.mjs";

/** A subscription as a browser's push service gives it. */
const SUBSCRIPTION = {
  endpoint: "https://push.example.invalid/subscription",
  keys: {
    p256dh: "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
    auth: "BTBZMqHH6r4Tts7J_aSIgg",
  },
};

describe("a push", () => {
  const scene = stage();

  /** A page whose browser subscribes, and a person enrolled in it. */
  async function subscribed(t) {
    const page = await visit(scene, t, { permissions: ["notifications"] });
    await page.context().addInitScript((subscription) => {
      const made = { toJSON: () => ({ ...subscription, expirationTime: null }) };
      PushManager.prototype.subscribe = async (options) => {
        globalThis.subscribedWith = options;
        return made;
      };
      PushManager.prototype.getSubscription = async () => made;
    }, SUBSCRIPTION);
    const person = scene.app.person();
    const key = (await call("GET", `${scene.app.path}/WebPushKey`)).body.public_key;
    await enrol(page, await person.link({ push: key }));
    await page.getByText("Notifications are on, also when this page is closed").waitFor();
    return { page, person, key };
  }

  /**
   * A way to push to the page's worker. It returns the notification that the push showed, which may be gone again; `deliver` only
   * pushes.
   */
  async function pushing(page) {
    const session = await page.context().newCDPSession(page);
    const isOurs = ({ scopeURL }) => scopeURL.endsWith(`/authenticator/push/${scene.app.sid}/`);
    const registered = new Promise((resolve) => {
      session.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
        const ours = registrations.find(isOurs);
        if (ours) resolve(ours.registrationId);
      });
    });
    await session.send("ServiceWorker.enable");
    const registrationId = await registered;
    const { origin } = new URL(page.home);
    const there = await worker(page);
    await there.evaluate(() => {
      // A slow server is waited for: the worker would believe the push itself after a moment.
      const { timeout } = AbortSignal;
      AbortSignal.timeout = () => timeout.call(AbortSignal, 60_000);
      const show = ServiceWorkerRegistration.prototype.showNotification;
      self.told = [];
      ServiceWorkerRegistration.prototype.showNotification = async function (title, options) {
        await show.call(this, title, options);
        self.told.push({ title, ...options });
        self.dispatchEvent(new Event("shown"));
      };
    });
    const deliver = (data) => {
      const text = typeof data === "string" ? data : JSON.stringify(data);
      return session.send("ServiceWorker.deliverPushMessage", { origin, registrationId, data: text });
    };
    const push = async (data) => {
      const before = await there.evaluate(() => self.told.length);
      await deliver(data);
      return there.evaluate(async (before) => {
        if (self.told.length === before)
          await new Promise((resolve) => self.addEventListener("shown", resolve, { once: true }));
        return self.told[before];
      }, before);
    };
    return Object.assign(push, { deliver });
  }

  /** The notifications shown, once they are this many. */
  function shown(page, count) {
    return notifications(page, `/authenticator/push/${scene.app.sid}/`, count);
  }

  /** The worker that receives pushes; another one caches the page. */
  async function worker(page) {
    for (const worker of page.context().serviceWorkers()) {
      if ((await worker.evaluate(() => registration.scope)).includes("/push/")) return worker;
    }
    throw new Error("no worker is pushed to");
  }

  /** Cuts the page off, except for pushes. */
  async function deaf(page) {
    await page.route(/\/Challenges\?/, (route) => route.abort());
  }

  async function asked(person, message, seconds = 300) {
    const sid = await person.ask(message, { seconds });
    return { sid, told: await contentOf(person, sid) };
  }

  /** The content of a challenge's push. */
  async function contentOf(person, sid) {
    const { factor_sid, details, expiration_date } = (await call("GET", `${person.path}/Challenges/${sid}`)).body;
    const { message } = details;
    return { type: "verify_push_challenge", challenge_sid: sid, factor_sid, message, expires_at: expiration_date };
  }

  test("is subscribed to with the service's key, and the server has the subscription", async (t) => {
    const { page, person, key } = await subscribed(t);
    const { config } = await person.factor();
    assert.equal(config.notification_platform, "webpush");
    assert.deepEqual(JSON.parse(config.notification_token), SUBSCRIPTION);
    assert.deepEqual(await page.evaluate(() => globalThis.subscribedWith), {
      userVisibleOnly: true,
      applicationServerKey: key,
    });
  });

  test("shows a notification, and opens the prompt in a page that is open", async (t) => {
    const { page, person } = await subscribed(t);
    await deaf(page);
    const push = await pushing(page);
    const { sid, told } = await asked(person, "Log in by push?");
    await push(told);
    const sheet = page.getByRole("dialog", { name: "Log in by push?" });
    await sheet.waitFor();
    await shown(page, 1);
    // A second push of the same question replaces the first.
    await push(told);
    const [notification] = await shown(page, 1);
    assert.equal(notification.title, "Log in by push?");
    assert.equal(notification.tag, sid);
    assert.deepEqual(notification.data, { challengeSid: sid, factorSid: told.factor_sid });
    await sheet.getByRole("button", { name: "Approve" }).click();
    assert.equal(await person.outcome(sid), "approved");
    await shown(page, 0);
  });

  test("does not take away the question that is being read", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    const first = await asked(person, "Being read?");
    const sheet = page.locator("#prompt");
    await sheet.getByText("Being read?").waitFor();
    const opened = await sheet.evaluateHandle((sheet) => {
      const told = [];
      new MutationObserver(() => told.push(sheet.open)).observe(sheet, { attributeFilter: ["open"] });
      return told;
    });
    const other = await asked(person, "Pushed meanwhile?");
    await push(first.told);
    await push(other.told);
    await shown(page, 2);
    await page.getByText("1 more waiting").waitFor();
    assert.deepEqual(await opened.jsonValue(), [], "the sheet stays as it is");
    await sheet.getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    assert.equal(await person.outcome(first.sid), "denied");
    await sheet.getByText("Pushed meanwhile?").waitFor();
  });

  test("says who asked, when, if the service shows that, and until when it can be answered", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    await call("POST", scene.app.path, { "Push.IncludeDate": "true" });
    t.after(() => call("POST", scene.app.path, { "Push.IncludeDate": "false" }));
    const { sid, told } = await asked(person, "Asked when?");
    await push(told);
    const [notification] = await shown(page, 1);
    const challenge = (await call("GET", `${person.path}/Challenges/${sid}`)).body;
    const [at, until] = await page.evaluate(
      (dates) => dates.map((date) => new Intl.DateTimeFormat(undefined, { timeStyle: "short" }).format(new Date(date))),
      [challenge.details.date, challenge.expiration_date],
    );
    assert.equal(notification.body, `Harbour Bank asked at ${at}. Tap to approve or deny until ${until}.`);
  });

  test("says from where somebody logs in, and can be denied or reviewed in the notification", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    const sid = await person.ask("From where?", {
      fields: [
        ["Device", "Firefox"],
        ["Place", "Lisbon"],
      ],
    });
    const told = { challenge_sid: sid, factor_sid: (await person.factor()).sid, message: "From where?" };
    await push(told);
    const [{ body }] = await shown(page, 1);
    assert.match(body, /^Harbour Bank asked\. Place: Lisbon\. Tap to approve or deny until /);
    const there = await worker(page);
    const actions = await there.evaluate(async () => {
      const [notification] = await registration.getNotifications();
      const tap = Object.assign(new Event("notificationclick"), { notification, action: "deny" });
      let done;
      tap.waitUntil = (promise) => (done = promise);
      dispatchEvent(tap);
      await done;
      return notification.actions.map(({ action, title }) => [action, title]);
    });
    assert.deepEqual(actions, [
      ["deny", "Deny"],
      ["review", "Review"],
    ]);
    assert.equal(await person.outcome(sid), "denied");
    await noticed(page, "Denied elsewhere: From where?");
  });

  test("that the server calls quiet makes no sound, and its question is listed instead of opened", async (t) => {
    const { page, person } = await subscribed(t);
    await call("POST", `${scene.app.path}/Protection`, { QuietAfter: 1 });
    t.after(() => call("POST", `${scene.app.path}/Protection`, { QuietAfter: "" }));
    const push = await pushing(page);
    const loud = await person.ask("Not quietly?");
    await page.getByRole("dialog", { name: "Not quietly?" }).getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    assert.equal(await person.outcome(loud), "denied");
    // The question reaches the page by the push only.
    await page.routeWebSocket(/Stream/, (socket) => socket.close());
    await page.reload();
    await deaf(page);
    const { told } = await asked(person, "Quietly?");
    const first = await push({ ...told, quiet: true });
    assert.deepEqual([first.silent, first.requireInteraction, first.renotify], [true, undefined, undefined]);
    const [notification] = await shown(page, 1);
    assert.deepEqual([notification.silent, notification.requireInteraction], [true, false]);
    const again = await push({ ...told, quiet: true });
    assert.deepEqual([again.silent, again.tag], [true, first.tag]);
    await shown(page, 1);
    const listed = page.getByRole("button", { name: /Quietly\?/ });
    await listed.waitFor();
    assert.equal(await page.locator("#prompt").isVisible(), false);
    await listed.click();
    await page.getByRole("dialog", { name: "Quietly?" }).waitFor();
  });

  test("of a question that was already answered says so quietly, and closes", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    const { sid, told } = await asked(person, "Pushed twice?");
    await page.getByRole("dialog", { name: "Pushed twice?" }).getByRole("button", { name: "Approve" }).click();
    assert.equal(await person.outcome(sid), "approved");
    // The page closes the notifications of a question that it has answered.
    await noticed(page, "Approved: Pushed twice?");
    const notification = await push(told);
    assert.equal(notification.title, "Approved already");
    assert.match(notification.body, /Nothing waits for you.*Pushed twice\?/s);
    assert.deepEqual([notification.silent, notification.requireInteraction], [true, false]);
    await noticed(page, "it was approved already");
    assert.equal(await page.locator(".notice.bad").count(), 0, "no alarm");
    await shown(page, 0);
  });

  test("of a question that another device answered says so quietly", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    const own = await person.factor();
    const other = await visit(scene, t);
    await enrol(other, await person.link({ url: new URL(other.home).origin }));
    const group = await person.askAll("Pushed to both?");
    const told = { challenge_sid: group.find((one) => one.factor_sid === own.sid).sid, factor_sid: own.sid };
    await other.getByRole("dialog", { name: "Pushed to both?" }).getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    await noticed(page, "Answered on another device: Pushed to both?");
    const notification = await push({ ...told, message: "Pushed to both?" });
    assert.equal(notification.title, "Answered on another device");
    assert.deepEqual([notification.silent, notification.requireInteraction], [true, false]);
    assert.equal(await page.locator(".notice.bad").count(), 0, "no alarm");
  });

  test("that comes too late says that the question has expired, and closes", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    const sid = await person.askBriefly("Pushed late?", () => page.getByRole("dialog", { name: "Pushed late?" }).waitFor());
    assert.equal(await person.outcome(sid), "expired");
    await noticed(page, "Expired before");
    const notification = await push(await contentOf(person, sid));
    assert.equal(notification.title, "A question has expired");
    assert.deepEqual([notification.silent, notification.requireInteraction], [true, false]);
    assert.equal(await page.getByRole("dialog").filter({ visible: true }).count(), 0);
    await shown(page, 0);
  });

  test("is taken back when its question expires, also when no page is open", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    const there = await worker(page);
    // On a slow machine the first one is over before it is pushed.
    for (let seconds = 5, title = ""; title !== "For a moment?"; seconds *= 3) {
      const { told } = await asked(person, "For a moment?", seconds);
      ({ title } = await push(told));
    }
    await page.context().newPage();
    await page.close();
    const left = await there.evaluate(async () => {
      while ((await registration.getNotifications()).length > 0)
        await new Promise((resolve) => setTimeout(resolve, 50));
      return 0;
    });
    assert.equal(left, 0);
  });

  for (const [what, data] of [
    ["is no JSON", "hello"],
    ["is empty", ""],
    ["names nothing", {}],
    ["names the invalid value", { challenge_sid: "YC1", factor_sid: 7, message: "Approve me" }],
  ]) {
    test(`that ${what} alarms nobody, and goes`, async (t) => {
      const { page } = await subscribed(t);
      const push = await pushing(page);
      const notification = await push(data);
      assert.equal(notification.title, "Nothing to answer");
      assert.deepEqual([notification.silent, notification.requireInteraction], [true, false]);
      assert.equal(await page.locator("#trouble").isVisible(), false);
      assert.equal(await page.getByRole("dialog").filter({ visible: true }).count(), 0);
      await shown(page, 0);
    });
  }

  test("is shown although the texts could not be loaded for the one before", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    const there = await worker(page);
    await there.evaluate(async () => {
      const isText = (url) => url.includes("/languages/");
      for (const name of await caches.keys()) {
        const cache = await caches.open(name);
        for (const { url } of await cache.keys()) if (isText(url)) await cache.delete(url);
      }
      const load = self.fetch;
      self.attempts = [];
      self.failed = new Promise((resolve) => {
        // The wanted language, and then the first one.
        self.fetch = (url, options) => {
          if (!isText(url)) return load(url, options);
          if (self.attempts.push(url) === 2) resolve();
          return self.attempts.length > 2 ? load(url, options) : Promise.reject(new TypeError("no network"));
        };
      });
    });
    const { told } = await asked(person, "Without words?");
    await push.deliver(told);
    await there.evaluate(() => self.failed);
    const notification = await push(told);
    assert.equal(notification.title, "Without words?");
    assert.equal(await there.evaluate(() => self.attempts.length), 3);
  });

  test("is not lost while a page looks through the notifications", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    await page.evaluate(async () => {
      const app = document.querySelector("script[type=module]").src;
      const { sweep } = await import(new URL("notifications.js", app));
      const [registration] = (await navigator.serviceWorker.getRegistrations()).filter(({ scope }) => /push/.test(scope));
      globalThis.sweeps = 0;
      (async () => {
        for (;;) {
          await sweep(registration);
          globalThis.sweeps += 1;
        }
      })();
    });
    for (const count of [1, 2, 3, 4, 5]) {
      await push((await asked(person, `Question ${count}?`)).told);
      await shown(page, count);
    }
    assert.ok((await page.evaluate(() => globalThis.sweeps)) > 5);
  });

  test("that hides or turns its words around is shown with that marked", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    await page.route("**/Challenges/**", (route) => route.abort());
    await page.context().route("**/Challenges/**", (route) => route.abort());
    const factor = (await person.factor()).sid;
    await push({
      challenge_sid: `YC${"2".repeat(32)}`,
      factor_sid: factor,
      message: "Pay \u202e01\u202c EUR?",
      expires_at: new Date(Date.now() + 60_000).toISOString(),
    });
    const [notification] = await shown(page, 1);
    assert.ok(!/[\u202a-\u202e]/.test(notification.title + notification.body), notification.title);
  });

  test("of a slow push service is not waited for while the page is open", async (t) => {
    const { page, person } = await subscribed(t);
    await deaf(page);
    // There is no push service behind the endpoint.
    const sid = await person.ask("By the page itself?");
    const sheet = page.getByRole("dialog", { name: "By the page itself?" });
    await sheet.getByRole("button", { name: "Approve", disabled: false }).click();
    assert.equal(await person.outcome(sid), "approved");
    const { attempts } = await person.delivered(sid);
    const made = attempts.map(({ platform, outcome }) => [platform, outcome]);
    assert.deepEqual(made, [["stream", "acknowledged"]]);
  });

  test("whose notification is tapped opens the prompt, also when no page is open", async (t) => {
    const { page, person } = await subscribed(t);
    const push = await pushing(page);
    const { sid, told } = await asked(person, "Tapped?");
    await push(told);
    await page.getByRole("dialog", { name: "Tapped?" }).waitFor();
    await shown(page, 1);
    const there = await worker(page);
    const context = page.context();
    await context.newPage();
    await page.close();
    // A tap comes from the operating system: the test calls the worker's handler, and opens the window that it would
    // open.
    const opened = await there.evaluate(async () => {
      const [notification] = await registration.getNotifications();
      let opened;
      clients.openWindow = async (url) => {
        opened = url;
      };
      const tap = Object.assign(new Event("notificationclick"), { notification });
      let done;
      tap.waitUntil = (promise) => (done = promise);
      dispatchEvent(tap);
      await done;
      return { url: opened, left: (await registration.getNotifications()).length };
    });
    assert.equal(opened.left, 0);
    const again = await context.newPage();
    await deaf(again);
    await again.goto(opened.url);
    const sheet = again.getByRole("dialog", { name: "Tapped?" });
    await sheet.getByRole("button", { name: "Deny" }).click();
    assert.equal(await person.outcome(sid), "denied");
  });

  test("for a missing key says what to do", async (t) => {
    const { page } = await subscribed(t);
    const push = await pushing(page);
    const notification = await push({ challenge_sid: `YC${"1".repeat(32)}`, factor_sid: `YF${"1".repeat(32)}` });
    await page.getByRole("heading", { name: "The key for this question is gone" }).waitFor();
    assert.equal(notification.title, "A question that this device cannot answer");
  });

  test("gives way to the stream when the browser ends the subscription", async (t) => {
    const { page, person } = await subscribed(t);
    await page.context().addInitScript(() => (PushManager.prototype.getSubscription = async () => null));
    await page.reload();
    await page.getByText("Connected while this page").waitFor();
    // It holds the stream once: a second hold would take the first for another tab's.
    assert.deepEqual((await page.evaluate(() => navigator.locks.query())).pending, []);
    assert.equal((await person.factor()).config.notification_platform, "stream");
    const sid = await person.ask("By stream now?");
    await page.getByRole("button", { name: "Approve" }).click();
    assert.equal(await person.outcome(sid), "approved");
  });

  test("that the person or the browser does not allow gives way to the stream", async (t) => {
    const page = await visit(scene, t);
    const person = scene.app.person();
    const key = (await call("GET", `${scene.app.path}/WebPushKey`)).body.public_key;
    await enrol(page, await person.link({ push: key }));
    await page.getByText("Connected while this page").waitFor();
    assert.equal((await person.factor()).config.notification_platform, "stream");
  });
});
