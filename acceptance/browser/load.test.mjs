// The size and the requests of a first visit, and the page's installation.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ann, stage, visit } from "./stage.mjs";

const FIRST_LOAD = 60 * 1024;

describe("the page", () => {
  const scene = stage();

  test("weighs at most 60 KB at the first visit, and asks no other host for anything", async (t) => {
    const page = await visit(scene, t);
    const requests = [];
    page.on("requestfinished", (request) => requests.push(request));
    await page.goto(page.home, { waitUntil: "networkidle" });
    const names = requests.map((request) => new URL(request.url()).pathname);
    assert.ok(names.some((name) => name.endsWith("/app.js")) && names.length > 10, String(names));
    const sizes = await Promise.all(requests.map((request) => request.sizes()));
    const weight = sizes.reduce(
      (sum, { responseBodySize, responseHeadersSize }) => sum + responseBodySize + responseHeadersSize,
      0,
    );
    assert.ok(weight <= FIRST_LOAD, `${weight} bytes`);
    await ann(scene, page);
    const origins = new Set(requests.map((request) => new URL(request.url()).origin));
    assert.deepEqual([...origins], [new URL(page.home).origin]);
  });

  test("never sends the fragment of a link, nor a cookie", async (t) => {
    const page = await visit(scene, t);
    const told = [];
    page.on("request", (request) =>
      told.push(request.url(), request.headers().referer ?? "", request.headers().cookie ?? ""),
    );
    const person = scene.app.person();
    const link = await person.link();
    await page.goto(link);
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("Connected while this page").waitFor();
    const token = new URLSearchParams(new URL(link).hash.slice(1)).get("token");
    // The browser keeps the fragment in the address of the first request for itself.
    const sent = told.map((text) => text.replace(/#.*/, ""));
    assert.ok(sent.some((text) => text.endsWith("/Factors")));
    assert.ok(
      sent.every((text) => !text.includes(token)),
      "the token stood in a URL or a header",
    );
    assert.equal((await page.context().cookies()).length, 0);
  });

  test("can be installed, and opens without the server once it was open with it", async (t) => {
    const page = await visit(scene, t);
    await page.goto(page.home);
    const session = await page.context().newCDPSession(page);
    const { manifest, errors } = await session.send("Page.getAppManifest");
    assert.deepEqual(errors, []);
    assert.ok(manifest.icons.length >= 3, "icons");
    await page.evaluate(() => navigator.serviceWorker.ready);
    const { installabilityErrors } = await session.send("Page.getInstallabilityErrors");
    const others = installabilityErrors.filter(({ errorId }) => errorId !== "in-incognito");
    assert.deepEqual(others, []);
    await page.context().setOffline(true);
    await page.reload();
    await page.getByRole("heading", { name: "Answer logins" }).waitFor();
  });

  test("has no other script, style or frame than its own", async (t) => {
    const page = await visit(scene, t, { mayComplain: true });
    await page.goto(page.home);
    await page.getByRole("heading", { name: "Answer logins" }).waitFor();
    const rules = ["require-trusted-types-for", "style-src-attr", "connect-src"];
    const refused = await page.evaluate(async (rules) => {
      const violations = [];
      const told = new Promise((resolve) =>
        document.addEventListener("securitypolicyviolation", (event) => {
          violations.push(event.effectiveDirective);
          if (rules.every((rule) => violations.includes(rule))) resolve();
        }),
      );
      const tries = [
        () =>
          document.body.append(Object.assign(document.createElement("script"), { textContent: "globalThis.hurt = 1" })),
        () => (document.body.innerHTML = "<b>markup</b>"),
        () => new Function("globalThis.hurt = 1")(),
        () => document.body.setAttribute("style", "color: red"),
        () => fetch("https://example.com/").catch(() => {}),
      ];
      const thrown = [];
      // The debugging protocol lets its own first step do what the page may not.
      await new Promise((resolve) => requestAnimationFrame(resolve));
      for (const attempt of tries) {
        try {
          await attempt();
        } catch (error) {
          thrown.push(error.name);
        }
      }
      await Promise.race([told, new Promise((resolve) => setTimeout(resolve, 30_000))]);
      return { hurt: globalThis.hurt, violations, thrown };
    }, rules);
    assert.equal(refused.hurt, undefined);
    for (const rule of rules) assert.ok(refused.violations.includes(rule), `${rule}: ${refused.violations}`);
    assert.ok(refused.thrown.length >= 3, String(refused.thrown));
  });
});
