// The client of Universal Prompt for Node. It trusts a fixed list of authorities: the test gives its agent another one.
import assert from "node:assert/strict";
import https from "node:https";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { Browser, hidden, onward } from "./browser.mjs";
import { secured } from "./secured.mjs";
import { ann, stage } from "./stage.mjs";
import { server } from "./wire.mjs";

const { Client } = createRequire(import.meta.url)("@duosecurity/duo_universal");

const BACK = "https://portal.example/duo?tenant=7";

describe("the client of Universal Prompt for Node", () => {
  const scene = stage();
  const known = {};
  let relay;

  before(async () => {
    relay = await secured();
    Object.assign(known, await ann(scene));
    const form = {
      FriendlyName: "Owl portal",
      Kind: "duo",
      Aliases: `ann=${known.identity}`,
      "Duo.RedirectUris": BACK,
    };
    const response = await fetch(`${server.url}/v2/Services/${scene.sid}/Integrations`, {
      method: "POST",
      headers: { Authorization: `Basic ${Buffer.from(`${server.sid}:${server.token}`).toString("base64")}` },
      body: new URLSearchParams(form),
    });
    known.integration = await response.json();
    assert.equal(response.status, 201, JSON.stringify(known.integration));
  });
  after(() => relay.close());

  /** The client; with `secret`, one that does not know the right one. */
  function client(secret = known.integration.secret) {
    const apiHost = `localhost:${relay.port}`;
    const made = new Client({ clientId: known.integration.key, clientSecret: secret, apiHost, redirectUrl: BACK });
    made.axios.defaults.httpsAgent = new https.Agent({ ca: relay.cert });
    return made;
  }

  test("finds the server well, and a wrong secret is refused", async () => {
    assert.equal((await client().healthCheck()).stat, "OK");
    await assert.rejects(client("x".repeat(40)).healthCheck(), /invalid_client/);
  });

  test("signs a user in, once", async () => {
    const duo = client();
    const state = duo.generateState();
    const url = await duo.createAuthUrl("ann", state);
    // The browser of these tests does not trust the relay's authority, so the client takes its first step.
    const led = await duo.axios.get(url, { maxRedirects: 0, validateStatus: () => true });
    assert.equal(led.status, 303, led.data);
    const browser = new Browser(BACK);
    const who = await browser.get(led.headers.location);
    const wait = await browser.get(new URL("/sign-in/ask", server.url), hidden(who.text));
    const [{ sid }] = (await known.phone.call("GET", "/Challenges?Status=pending")).body.challenges;
    await known.phone.answer(sid, "approved");
    const back = onward((await browser.get(wait.url)).text);
    assert.equal(back.searchParams.get("state"), state);
    const code = back.searchParams.get("duo_code");
    const token = await duo.exchangeAuthorizationCodeFor2FAResult(code, "ann");
    assert.deepEqual([token.preferred_username, token.auth_result.result], ["ann", "allow"]);
    await assert.rejects(duo.exchangeAuthorizationCodeFor2FAResult(code, "ann"), /invalid_grant/);
  });
});
