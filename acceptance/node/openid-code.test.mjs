// The code flow by a certified client of OpenID Connect, unchanged, with one script against a certified provider and against the server.
import assert from "node:assert/strict";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { Provider } from "oidc-provider";
import * as openid from "openid-client";
import { Browser, hidden, onward } from "./browser.mjs";
import { ann, stage } from "./stage.mjs";
import { server } from "./wire.mjs";

/** Where the browser is sent back to. Nobody listens there: the browser of these tests reads the address. */
const BACK = "http://127.0.0.1:9/cb";

/** The word by which a request is refused; the status, if that comes with a challenge in a header. */
async function word(request) {
  try {
    await request;
  } catch (error) {
    return error.error ?? error.status ?? error.message;
  }
  assert.fail("it was not refused");
}

/** What the provider says to each request of the script. */
async function script({ issuer, id, secret, alg, sub, signIn }) {
  const said = {};
  const metadata = { id_token_signed_response_alg: alg };
  const insecure = { execute: [openid.allowInsecureRequests] };
  const discover = (secret) =>
    openid.discovery(new URL(issuer), id, metadata, openid.ClientSecretBasic(secret), insecure);
  const config = await discover(secret);

  /** The address of a request, and what its answer is checked by. */
  async function wanted(more = {}) {
    const pkceCodeVerifier = openid.randomPKCECodeVerifier();
    const checks = { pkceCodeVerifier, expectedNonce: openid.randomNonce(), expectedState: openid.randomState() };
    const url = openid.buildAuthorizationUrl(config, {
      redirect_uri: BACK,
      scope: "openid",
      nonce: checks.expectedNonce,
      state: checks.expectedState,
      code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: "S256",
      ...more,
    });
    return { url, checks };
  }
  const grant = (back, checks) => openid.authorizationCodeGrant(config, back, checks);

  const { url, checks } = await wanted({ login_hint: "ann", max_age: "0" });
  const back = await signIn(new Browser(BACK), url);
  said.answer = [...back.searchParams.keys()].sort();
  said.verifier = await word(grant(back, { ...checks, pkceCodeVerifier: openid.randomPKCECodeVerifier() }));
  const stranger = await discover("wrong");
  said.stranger = await word(openid.authorizationCodeGrant(stranger, back, checks));
  const tokens = await grant(back, checks);
  const claims = tokens.claims();
  said.tokens = [tokens.token_type, claims.iss === issuer, claims.aud === id, claims.sub === sub];
  said.claims = [claims.nonce === checks.expectedNonce, typeof claims.auth_time];
  said.alg = JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url")).alg;
  said.userinfo = (await openid.fetchUserInfo(config, tokens.access_token, sub)).sub === sub;
  said.again = await word(grant(back, checks));
  said.revoked = await word(openid.fetchUserInfo(config, tokens.access_token, sub));

  /** The word that comes back with a browser; the status, if nobody comes back. */
  const refused = async (more) => {
    const { back, status } = await new Browser(BACK).get((await wanted(more)).url);
    assert.equal(back?.searchParams.get("iss") ?? issuer, issuer);
    return back?.searchParams.get("error") ?? status;
  };
  said.none = await refused({ prompt: "none" });
  said.plain = await refused({ code_challenge_method: "plain" });
  said.pkce = await refused({ code_challenge: "", code_challenge_method: "" });
  said.type = await refused({ response_type: "ticket" });
  said.object = await refused({ request: "e30.e30." });
  said.elsewhere = await refused({ redirect_uri: `${BACK}8` });
  said.unknown = await refused({ client_id: "DIAAAAAAAAAAAAAAAAAA" });
  return said;
}

const EXPECTED = {
  answer: ["code", "iss", "state"],
  verifier: "invalid_grant",
  stranger: 401,
  tokens: ["bearer", true, true, true],
  claims: [true, "number"],
  userinfo: true,
  again: "invalid_grant",
  revoked: 401,
  none: "login_required",
  plain: "invalid_request",
  pkce: "invalid_request",
  type: "unsupported_response_type",
  object: "request_not_supported",
  elsewhere: 400,
  unknown: 400,
};

describe("the code flow of openid-client and the server", () => {
  const scene = stage();
  const known = {};
  before(async () => Object.assign(known, await ann(scene)));

  /** The address at which a browser comes back, after the phone has approved and its code was typed. */
  async function signIn(browser, url) {
    const who = await browser.get(url);
    const [, hint] = who.text.match(/name="user" value="([^"]*)"/);
    const wait = await browser.get(new URL("/sign-in/ask", server.url), { ...hidden(who.text), user: hint });
    let pending = [];
    while (pending.length === 0)
      ({ challenges: pending } = (await known.phone.call("GET", "/Challenges?Status=pending")).body);
    const [{ sid }] = pending;
    const { value: code } = (await known.phone.see(sid)).body.details.fields.at(-1);
    await known.phone.answer(sid, "approved");
    const done = await browser.get(new URL("/sign-in/code", server.url), { ...hidden(wait.text), code });
    return onward(done.text);
  }

  for (const alg of ["RS256", "ES256"]) {
    test(`say what a certified provider says, with ${alg}`, async () => {
      const form = {
        FriendlyName: "Owl shop",
        Kind: "openid",
        Aliases: `ann=${known.identity}`,
        "OpenId.RedirectUris": BACK,
        "OpenId.IdTokenAlg": alg,
      };
      const response = await fetch(`${server.url}/v2/Services/${scene.sid}/Integrations`, {
        method: "POST",
        headers: { Authorization: `Basic ${Buffer.from(`${server.sid}:${server.token}`).toString("base64")}` },
        body: new URLSearchParams(form),
      });
      const { key: id, secret, openid: settings } = await response.json();
      const ours = { id, secret, issuer: settings.issuer, alg, sub: known.identity, signIn };
      assert.deepEqual(await script(ours), { ...EXPECTED, alg });
    });
  }
});

describe("the code flow of openid-client and oidc-provider", () => {
  let listener;
  after(() => listener.close());

  test("says the same to each request", async () => {
    const [id, secret, alg] = [randomUUID(), randomUUID(), "RS256"];
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const keys = [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg, kid: "own" }];
    let provider;
    listener = createServer((request, response) =>
      request.url.startsWith("/interaction/") ? interact(request, response) : provider.callback()(request, response),
    );
    await new Promise((listening) => listener.listen(0, "127.0.0.1", listening));
    const issuer = `http://127.0.0.1:${listener.address().port}`;
    provider = new Provider(issuer, {
      clients: [{ client_id: id, client_secret: secret, redirect_uris: [BACK], response_types: ["code"] }],
      jwks: { keys },
      pkce: { required: () => true },
      features: { devInteractions: { enabled: false } },
      findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    });

    /** Signs everybody in as Ann, who agrees to everything. */
    async function interact(request, response) {
      const { prompt, params } = await provider.interactionDetails(request, response);
      const result = {};
      if (prompt.name === "login") result.login = { accountId: params.login_hint };
      else {
        const grant = new provider.Grant({ clientId: id, accountId: "ann" });
        grant.addOIDCScope("openid");
        result.consent = { grantId: await grant.save() };
      }
      await provider.interactionFinished(request, response, result);
    }

    const signIn = async (browser, url) => (await browser.get(url)).back;
    assert.deepEqual(await script({ id, secret, issuer, alg, sub: "ann", signIn }), { ...EXPECTED, alg });
  });
});
