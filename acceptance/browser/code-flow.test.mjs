// Clients that send a browser to the sign-in page and fetch who signed in; the authenticator is the device. The client of the code
// flow is openid-client, unchanged. That of Universal Prompt signs its request itself: its tests are those of Python and Node.
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import * as openid from "openid-client";
import { server } from "../node/wire.mjs";
import { eye } from "./look.mjs";
import { ann, call, stage, visit } from "./stage.mjs";

/** An application with a page to which browsers come back. */
async function application() {
  const listener = createServer((_, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    response.end('<!doctype html><html lang="en"><title>Shop</title><h1>Back in the shop</h1></html>');
  }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const stop = () => {
    listener.close();
    listener.closeAllConnections();
  };
  return { uri: `http://127.0.0.1:${listener.address().port}/cb`, stop };
}

describe("a client of the OpenID provider", () => {
  const scene = stage();
  let shop;
  before(async () => {
    shop = await application();
    const what = { FriendlyName: "Owl shop", Kind: "openid", UserRule: "lower", PromptLife: 600 };
    const form = { ...what, "OpenId.RedirectUris": shop.uri };
    const { body } = await call("POST", `${scene.app.path}/Integrations`, form);
    const insecure = { execute: [openid.allowInsecureRequests] };
    const issuer = new URL(`${server.url}/openid/${scene.app.sid}`);
    shop.config = await openid.discovery(issuer, body.key, {}, openid.ClientSecretBasic(body.secret), insecure);
  });
  after(() => shop?.stop());

  /** A request, and what its answer is checked by. */
  async function wanted(more = {}) {
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const checks = { pkceCodeVerifier, expectedNonce: openid.randomNonce(), expectedState: openid.randomState() };
    const url = openid.buildAuthorizationUrl(shop.config, {
      redirect_uri: shop.uri,
      scope: "openid",
      nonce: checks.expectedNonce,
      state: checks.expectedState,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      ...more,
    });
    return { url: url.href, checks };
  }

  /** Signs in; returns the address at which the browser came back. */
  async function signedIn(t, url) {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const page = await visit(scene, t);
    await page.goto(`${url}&login_hint=${person.identity}`);
    await page.getByRole("heading", { name: "Sign in to Owl shop" }).waitFor();
    assert.equal(await page.getByLabel("User name").inputValue(), person.identity);
    await page.getByRole("button", { name: "Continue" }).click();
    const digits = await page.locator(".number").innerText();
    const sheet = device.getByRole("dialog", { name: "Sign in to Owl shop?" });
    await sheet.getByLabel("Number that").fill(digits);
    await sheet.getByRole("button", { name: "Approve", disabled: false }).click();
    await page.getByRole("heading", { name: "Back in the shop" }).waitFor();
    return { person, back: new URL(page.url()) };
  }

  /** The word by which a request is refused. */
  async function word(request) {
    const refused = await request.then(
      () => assert.fail("it was not refused"),
      (error) => error,
    );
    return refused.error ?? refused.message;
  }

  test("gets the person of a code, once, with its own verifier", async (t) => {
    const { url, checks } = await wanted();
    const began = Date.now() / 1000;
    const { person, back } = await signedIn(t, url);
    const stranger = { ...checks, pkceCodeVerifier: openid.randomPKCECodeVerifier() };
    assert.equal(await word(openid.authorizationCodeGrant(shop.config, back, stranger)), "invalid_grant");
    const tokens = await openid.authorizationCodeGrant(shop.config, back, checks);
    const { sub, nonce, acr, amr, auth_time } = tokens.claims();
    assert.deepEqual(
      [sub, nonce, acr, amr],
      [person.identity, checks.expectedNonce, "urn:countersign:acr:push-number", ["pop", "swk", "user"]],
    );
    assert.ok(began - 1 <= auth_time && auth_time <= Date.now() / 1000 + 1, `${auth_time}`);
    assert.equal((await openid.fetchUserInfo(shop.config, tokens.access_token, sub)).sub, sub);
    assert.equal(await word(openid.authorizationCodeGrant(shop.config, back, checks)), "invalid_grant");
  });

  test("gets nobody if the person denies, and sends nobody to another address", async (t) => {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const page = await visit(scene, t);
    const { url } = await wanted();
    await page.goto(url);
    await page.getByLabel("User name").fill(person.identity);
    await page.getByRole("button", { name: "Continue" }).click();
    const sheet = device.getByRole("dialog", { name: "Sign in to Owl shop?" });
    await sheet.getByRole("button", { name: "Deny", exact: true, disabled: false }).click();
    await page.getByText("The sign-in was denied on the device.").waitFor();
    await page.goto((await wanted({ redirect_uri: `${shop.uri}8` })).url);
    await page.getByText("The redirect_uri is none of those").waitFor();
  });
});

describe("an application with Universal Prompt", () => {
  const scene = stage();
  let portal;
  before(async () => {
    portal = await application();
    const what = { FriendlyName: "Owl portal", Kind: "duo", UserRule: "lower", PromptLife: 600 };
    const form = { ...what, "Duo.RedirectUris": portal.uri };
    const { body } = await call("POST", `${scene.app.path}/Integrations`, form);
    Object.assign(portal, { key: body.key, secret: body.secret });
  });
  after(() => portal?.stop());

  test("names the user, who approves with a tap", async (t) => {
    const device = await visit(scene, t);
    const person = await ann(scene, device);
    const claims = {
      scope: "openid",
      redirect_uri: portal.uri,
      client_id: portal.key,
      iss: portal.key,
      aud: `https://${new URL(server.url).host}`,
      exp: Math.floor(Date.now() / 1000) + 300,
      state: "a-state-of-36-characters-0123456789ab",
      response_type: "code",
      duo_uname: person.identity,
      use_duo_code_attribute: true,
    };
    const parts = [{ alg: "HS512" }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"));
    const mac = createHmac("sha512", portal.secret).update(parts.join(".")).digest("base64url");
    const query = { response_type: "code", client_id: portal.key, request: [...parts, mac].join(".") };
    const page = await visit(scene, t);
    await page.goto(`${server.url}/oauth/v1/authorize?${new URLSearchParams(query)}`);
    await page.getByRole("heading", { name: "Sign in to Owl portal" }).waitFor();
    const name = page.getByLabel("User name");
    assert.deepEqual([await name.inputValue(), await name.isEditable()], [person.identity, false]);
    assert.equal(await page.getByLabel("Remember me").count(), 0);
    const look = await eye();
    await look.around(page, "sign-in-named");
    const sheet = device.getByRole("dialog", { name: "Sign in to Owl portal?" });
    assert.equal(await sheet.count(), 0, "nothing is sent yet");
    await page.getByRole("button", { name: "Continue" }).click();
    await sheet.getByRole("button", { name: "Approve", disabled: false }).click();
    await page.getByRole("heading", { name: "Back in the shop" }).waitFor();
    const back = new URL(page.url()).searchParams;
    assert.equal(back.get("state"), claims.state);
    assert.ok(back.get("duo_code"));
  });
});
