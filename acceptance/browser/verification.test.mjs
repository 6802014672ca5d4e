// User verification: the browser asks for the lock of the device before an approval, here a virtual authenticator.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { server } from "../node/wire.mjs";
import { Application, ann, call, stage, visit } from "./stage.mjs";

/** A passkey needs a host name. */
const HOST = server.url.replace("127.0.0.1", "localhost");

describe("a service that asks for user verification", () => {
  const scene = stage();

  async function asked(t, message, { isVerified = true, hasLock = true } = {}) {
    const page = await visit(scene, t, { url: HOST });
    const session = await page.context().newCDPSession(page);
    await session.send("WebAuthn.enable");
    let authenticatorId;
    if (hasLock) {
      const options = {
        protocol: "ctap2",
        transport: "internal",
        hasUserVerification: true,
        isUserVerified: isVerified,
        automaticPresenceSimulation: true,
      };
      ({ authenticatorId } = await session.send("WebAuthn.addVirtualAuthenticator", { options }));
    }
    const app = await Application.create("Harbour Bank");
    t.after(() => app.remove());
    await call("POST", `${app.path}/Protection`, { UserVerification: "required" });
    const person = await ann({ ...scene, app }, page);
    const sid = await person.ask(message);
    const sheet = page.getByRole("dialog", { name: message });
    await sheet.getByText("Approving asks for your fingerprint, face or screen lock.").waitFor();
    const press = (name) => sheet.getByRole("button", { name, exact: true, disabled: false }).click();
    const verify = (isUserVerified) => session.send("WebAuthn.setUserVerified", { authenticatorId, isUserVerified });
    const passkeys = async () => (await session.send("WebAuthn.getCredentials", { authenticatorId })).credentials;
    return { page, person, sid, sheet, press, verify, passkeys };
  }

  test("has the passkey made when the device is added, and is answered after the lock with this one", async (t) => {
    const { page, person, sid, press, passkeys } = await asked(t, "With the lock?");
    const [made, ...others] = await passkeys();
    assert.ok(made && others.length === 0, "before the first approval");
    await press("Approve");
    assert.equal(await person.outcome(sid), "approved");
    const next = await person.ask("Once more?");
    await page.getByRole("dialog", { name: "Once more?" }).getByRole("button", { name: "Approve", disabled: false }).click();
    assert.equal(await person.outcome(next), "approved");
    const [used, ...more] = await passkeys();
    assert.deepEqual([used.credentialId, more.length], [made.credentialId, 0]);
    assert.ok(used.signCount > made.signCount, "it was used");
  });

  test("gets no approval of somebody who cannot unlock the device, but a denial", async (t) => {
    const { person, sid, sheet, press, verify, passkeys } = await asked(t, "Not unlocked?", { isVerified: false });
    await press("Approve");
    await sheet.getByText("and it was not confirmed. Try again, or deny.").waitFor();
    assert.equal((await call("GET", `${person.path}/Challenges/${sid}`)).body.status, "pending");
    await verify(true);
    await press("Approve");
    assert.equal(await person.outcome(sid), "approved");
    assert.equal((await passkeys()).length, 1, "the first approval made it");
    const next = await person.ask("Then no?");
    await verify(false);
    await sheet.page().getByRole("dialog", { name: "Then no?" }).getByRole("button", { name: "Deny", disabled: false }).click();
    assert.equal(await person.outcome(next), "denied");
  });

  test("says so when a device is added, and asks for nothing after a link of another service", async (t) => {
    const page = await visit(scene, t, { url: HOST });
    const app = await Application.create("Harbour Bank");
    t.after(() => app.remove());
    const hint = page.locator("#enrol-verification");
    await page.goto(await app.person().link({ url: HOST }));
    await page.getByRole("heading", { name: "Answer for Harbour Bank on this device?" }).waitFor();
    assert.equal(await hint.isVisible(), false);
    await call("POST", `${app.path}/Protection`, { UserVerification: "required" });
    await page.reload();
    await page.goto(await app.person().link({ url: HOST }));
    await hint.waitFor();
    assert.equal(await hint.textContent(), "Approving asks for your fingerprint, face or screen lock.");
  });

  test("gets no approval from a browser without a lock, which says so", async (t) => {
    const { person, sid, sheet, press } = await asked(t, "No lock here?", { hasLock: false });
    await press("Approve");
    await sheet.getByText("which this browser cannot ask for. Approve on another device, or deny.").waitFor();
    await press("Deny");
    assert.equal(await person.outcome(sid), "denied");
  });

  test("refuses an approval that does not say that the person was verified", async (t) => {
    const { page, person, sid } = await asked(t, "Unsaid?");
    const refusal = await page.evaluate(async (sid) => {
      const app = document.querySelector("script[type=module]").src;
      const [{ accounts }, { Device }] = await Promise.all(
        ["store.js", "protocol.js"].map((name) => import(new URL(name, app))),
      );
      const device = new Device((await accounts())[0]);
      return device.answer(sid, "approved").catch(({ status, code }) => ({ status, code }));
    }, sid);
    assert.deepEqual([refusal.status, refusal.code], [403, 60324]);
    assert.equal((await call("GET", `${person.path}/Challenges/${sid}`)).body.status, "pending");
  });
});
