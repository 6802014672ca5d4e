// The page is in a hidden tab: the operating system shows a question from the stream, and removes it once it is
// answered.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { chromium } from "playwright-core";
import { server } from "../node/wire.mjs";
import { freePort } from "./port.mjs";
import { ann, launch, notifications, PATIENCE, stage } from "./stage.mjs";

/** A browser in which a page can be hidden: by default the debugging protocol makes every page visible. */
async function plain(t, permissions) {
  const port = await freePort();
  const browser = await launch([`--remote-debugging-port=${port}`]);
  t.after(() => browser.close());
  const over = await chromium.connectOverCDP(`http://127.0.0.1:${port}`, { noDefaults: true });
  t.after(() => over.close());
  const [context] = over.contexts();
  context.setDefaultTimeout(PATIENCE);
  await context.grantPermissions(permissions, { origin: server.url });
  return Object.assign(await context.newPage(), { home: `${server.url}/authenticator` });
}

function becomes(page, state) {
  return page.waitForFunction((state) => document.visibilityState === state, state, { polling: 100 });
}

/** Puts another tab in front. */
async function leave(page) {
  const other = await page.context().newPage();
  await other.bringToFront();
  await becomes(page, "hidden");
}

async function comeBack(page) {
  await page.bringToFront();
  await becomes(page, "visible");
}

describe("a page that nobody looks at", () => {
  const scene = stage();

  /** The notifications shown, once they are this many. */
  function shown(page, count) {
    return notifications(page, "/authenticator", count);
  }

  test("has a notification shown, which goes when the question is answered", async (t) => {
    const page = await plain(t, ["notifications"]);
    const person = await ann(scene, page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    const seen = await person.ask("Seen at once?");
    const button = (message, name) =>
      page.getByRole("dialog", { name: message }).getByRole("button", { name, disabled: false });
    await button("Seen at once?", "Approve").click();
    assert.equal(await person.outcome(seen), "approved");
    await shown(page, 0);

    await leave(page);
    const sid = await person.ask("Log in from elsewhere?");
    const [notification] = await shown(page, 1);
    assert.equal(notification.title, "Log in from elsewhere?");
    assert.equal(notification.tag, sid);
    assert.deepEqual(notification.data, { challengeSid: sid, factorSid: (await person.factor()).sid });
    await comeBack(page);
    await button("Log in from elsewhere?", "Deny").click();
    assert.equal(await person.outcome(sid), "denied");
    await shown(page, 0);
  });

  test("shows nothing to somebody who did not allow it", async (t) => {
    const page = await plain(t, []);
    const person = await ann(scene, page);
    await page.evaluate(() => navigator.serviceWorker.ready);
    await leave(page);
    const sid = await person.ask("Is it allowed?");
    await page.waitForFunction(() => document.getElementById("prompt").open, undefined, { polling: 100 });
    await shown(page, 0);
    await person.delivered(sid);
  });
});
