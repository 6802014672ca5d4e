// A certified client of OpenID Connect, unchanged, with one script against a certified provider and against the server.
import assert from "node:assert/strict";
import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { Provider, errors } from "oidc-provider";
import * as openid from "openid-client";
import { ann, stage } from "./stage.mjs";
import { server } from "./wire.mjs";

const CIBA = "urn:openid:params:grant-type:ciba";

/** A client that has discovered its issuer. */
function discover({ issuer, id, alg }, secret) {
  const metadata = { id_token_signed_response_alg: alg };
  const insecure = { execute: [openid.allowInsecureRequests] };
  return openid.discovery(new URL(issuer), id, metadata, openid.ClientSecretBasic(secret), insecure);
}

/** The word by which a request is refused; the status, if that comes with a challenge in a header. */
async function word(request) {
  try {
    await request;
  } catch (error) {
    return error.error ?? error.status ?? error.message;
  }
  assert.fail("it was not refused");
}

/** The provider's responses to the requests of the script. */
async function script(provider) {
  const said = {};
  const config = await discover(provider, provider.secret);
  const ask = (more = {}) =>
    openid.initiateBackchannelAuthentication(config, { scope: "openid", login_hint: provider.who, ...more });
  // The client waits for the interval before it asks, which nobody has done yet.
  const fetched = (asked) => openid.pollBackchannelAuthenticationGrant(config, { ...asked, interval: 0.2 });

  let asked = await ask({ binding_message: "W4SCT" });
  assert.ok(asked.expires_in > 0 && /^[A-Za-z0-9._-]{22,}$/.test(asked.auth_req_id), JSON.stringify(asked));
  const [tokens] = await Promise.all([fetched(asked), provider.answer(asked, true)]);
  const { iss, aud, sub, iat, exp } = tokens.claims();
  said.tokens = [tokens.token_type, iss === provider.issuer, aud === provider.id, exp > iat, sub === provider.sub];
  said.alg = JSON.parse(Buffer.from(tokens.id_token.split(".")[0], "base64url")).alg;
  said.userinfo = (await openid.fetchUserInfo(config, tokens.access_token, sub)).sub === provider.sub;
  said.again = await word(openid.genericGrantRequest(config, CIBA, { auth_req_id: asked.auth_req_id }));

  asked = await ask();
  const [denied] = await Promise.all([word(fetched(asked)), provider.answer(asked, false)]);
  said.denied = denied;
  said.unknown = await word(ask({ login_hint: "nobody" }));
  said.hints = await word(ask({ login_hint_token: "x" }));
  said.foreign = await word(openid.genericGrantRequest(config, CIBA, { auth_req_id: "x".repeat(27) }));
  said.grant = await word(openid.genericGrantRequest(config, "password", {}));
  const stranger = await discover(provider, "wrong");
  const hint = { scope: "openid", login_hint: provider.who };
  said.stranger = await word(openid.initiateBackchannelAuthentication(stranger, hint));
  return said;
}

const EXPECTED = {
  tokens: ["bearer", true, true, true, true],
  userinfo: true,
  again: "invalid_grant",
  denied: "access_denied",
  unknown: "unknown_user_id",
  hints: "invalid_request",
  foreign: "invalid_grant",
  grant: "unsupported_grant_type",
  stranger: 401,
};

describe("openid-client and the server", () => {
  const scene = stage();
  const known = {};
  before(async () => Object.assign(known, await ann(scene)));

  /** An integration of the server, whose person answers on their phone. */
  async function ours(alg) {
    const form = {
      FriendlyName: "Owl shop",
      Kind: "openid",
      Aliases: `ann=${known.identity}`,
      "OpenId.Ciba": "poll",
      "OpenId.IdTokenAlg": alg,
    };
    const response = await fetch(`${server.url}/v2/Services/${scene.sid}/Integrations`, {
      method: "POST",
      headers: { Authorization: `Basic ${Buffer.from(`${server.sid}:${server.token}`).toString("base64")}` },
      body: new URLSearchParams(form),
    });
    const made = await response.json();
    assert.equal(response.status, 201, JSON.stringify(made));
    const answer = async (_, yes) => {
      const { body } = await known.phone.call("GET", "/Challenges?Status=pending");
      for (const { sid } of body.challenges) await known.phone.answer(sid, yes ? "approved" : "denied");
    };
    const { key: id, secret, openid: settings } = made;
    return { id, secret, issuer: settings.issuer, alg, who: "ann", sub: known.identity, answer };
  }

  for (const alg of ["RS256", "ES256"]) {
    test(`say what a certified provider says, with ${alg}`, async () => {
      assert.deepEqual(await script(await ours(alg)), { ...EXPECTED, alg });
    });
  }
});

describe("openid-client and oidc-provider", () => {
  let listener;
  after(() => listener.close());

  /** A provider whose person answers at once. */
  async function theirs() {
    const [id, secret, alg] = [randomUUID(), randomUUID(), "RS256"];
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const keys = [{ ...privateKey.export({ format: "jwk" }), use: "sig", alg, kid: "own" }];
    const asked = new Map();
    let provider;
    listener = createServer((request, response) => provider.callback()(request, response));
    await new Promise((listening) => listener.listen(0, "127.0.0.1", listening));
    const issuer = `http://127.0.0.1:${listener.address().port}`;
    const ciba = {
      enabled: true,
      deliveryModes: ["poll"],
      processLoginHint: (_, hint) => hint,
      validateBindingMessage: () => {},
      validateRequestContext: () => {},
      verifyUserCode: () => {},
      triggerAuthenticationDevice: (_, request) => void asked.set(request.jti, request),
    };
    const client = {
      client_id: id,
      client_secret: secret,
      grant_types: [CIBA],
      redirect_uris: [],
      response_types: [],
      backchannel_token_delivery_mode: "poll",
    };
    provider = new Provider(issuer, {
      clients: [client],
      jwks: { keys },
      features: { ciba, devInteractions: { enabled: false } },
      findAccount: (_, sub) => (sub === "ann" ? { accountId: sub, claims: () => ({ sub }) } : undefined),
    });
    const answer = async ({ auth_req_id }, yes) => {
      const request = asked.get(auth_req_id) ?? [...asked.values()].at(-1);
      if (!yes) return provider.backchannelResult(request, new errors.AccessDenied());
      const grant = new provider.Grant({ clientId: id, accountId: "ann" });
      grant.addOIDCScope("openid");
      await grant.save();
      return provider.backchannelResult(request, grant);
    };
    return { id, secret, issuer, alg, who: "ann", sub: "ann", answer };
  }

  test("says the same to each request", async () => {
    assert.deepEqual(await script(await theirs()), { ...EXPECTED, alg: "RS256" });
  });
});
