// The page's texts before it asks for a permission: an iPhone needs the page on its Home Screen, Android is better with it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { call, enrol, noticed, stage, visit } from "./stage.mjs";

const IPHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
const ANDROID =
  "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36";

describe("help with the installation", () => {
  const scene = stage();

  test("comes before an iPhone's account is added, with the link to take along", async (t) => {
    const page = await visit(scene, t, { userAgent: IPHONE, permissions: ["clipboard-read", "clipboard-write"] });
    const link = await scene.app.person().link();
    await page.goto(link);
    await page.getByRole("dialog", { name: /Answer for/ }).getByRole("button", { name: "How to get notifications" }).click();
    const help = page.getByRole("dialog", { name: "Install it on the Home Screen first" });
    await help.waitFor();
    assert.deepEqual(await help.getByRole("listitem").allInnerTexts(), [
      "Tap Share in the browser’s bar.",
      "Choose “Add to Home Screen”.",
      "Open Countersign on the Home Screen, tap “Add an account” there, and paste your enrolment link.",
    ]);
    await help.getByRole("button", { name: "Copy the link" }).click();
    await noticed(page, "The link is copied.");
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), link);
    await help.getByRole("button", { name: "Close" }).click();
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByRole("button", { name: "Turn on notifications" }).click();
    await help.waitFor();
  });

  test("is not shown on the Home Screen", async (t) => {
    const page = await visit(scene, t, { userAgent: IPHONE });
    await page.addInitScript(() => Object.defineProperty(navigator, "standalone", { value: true }));
    await page.goto(await scene.app.person().link());
    await page.getByRole("dialog", { name: /Answer for/ }).waitFor();
    assert.equal(await page.getByRole("button", { name: "How to get notifications" }).count(), 0);
  });

  test("comes before Android is asked for the permission, which is asked only then", async (t) => {
    const page = await visit(scene, t, { userAgent: ANDROID });
    await page.addInitScript(() => {
      globalThis.asked = 0;
      globalThis.permission = "default";
      Object.defineProperty(Notification, "permission", { get: () => globalThis.permission });
      Notification.requestPermission = async () => {
        globalThis.asked += 1;
        return (globalThis.permission = "denied");
      };
    });
    const key = (await call("GET", `${scene.app.path}/WebPushKey`)).body.public_key;
    await enrol(page, await scene.app.person().link({ push: key }));
    const help = page.getByRole("dialog", { name: "Be notified of questions?" });
    await help.getByText("also while this page is closed").waitFor();
    await help.getByText("choose “Add to Home screen”").waitFor();
    assert.equal(await page.evaluate(() => globalThis.asked), 0);
    await help.getByRole("button", { name: "Ask for permission" }).click();
    await page.getByText("Notifications are blocked for this page").waitFor();
    assert.equal(await page.evaluate(() => globalThis.asked), 1);
    assert.equal(await page.getByRole("button", { name: "Turn on notifications" }).count(), 0);
  });
});
