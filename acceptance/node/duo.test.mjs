// The client of the Duo Auth API for Node, unchanged. It trusts a fixed list of authorities and knows port 443 alone: the test
// puts its own authority into that list, and another port into Node's.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import https from "node:https";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { secured } from "./secured.mjs";
import { ann, stage } from "./stage.mjs";
import { server } from "./wire.mjs";

const require = createRequire(import.meta.url);
const { Client, SIGNATURE_VERSION_2, SIGNATURE_VERSION_5 } = require("@duosecurity/duo_api");
const constants = require("@duosecurity/duo_api/lib/constants.js");

describe("the Duo client for Node", () => {
  const scene = stage();
  const known = {};
  let relay;

  before(async () => {
    relay = await secured();
    constants.DUO_PINNED_CERT = relay.cert.toString();
    known.port = https.globalAgent.defaultPort;
    https.globalAgent.defaultPort = relay.port;

    Object.assign(known, await ann(scene));
    const form = { FriendlyName: "Owl portal", Kind: "duo", Aliases: `ann=${known.identity}` };
    const response = await fetch(`${server.url}/v2/Services/${scene.sid}/Integrations`, {
      method: "POST",
      headers: { Authorization: `Basic ${Buffer.from(`${server.sid}:${server.token}`).toString("base64")}` },
      body: new URLSearchParams(form),
    });
    assert.equal(response.status, 201);
    known.integration = await response.json();
  });
  after(() => {
    https.globalAgent.defaultPort = known.port;
    https.globalAgent.destroy();
    relay.close();
  });

  /** A call of the client. */
  function call(version, method, path, params = {}) {
    const { key, secret } = known.integration;
    const client = new Client(key, secret, "localhost", version);
    return new Promise((said) => client.jsonApiCall(method, `/auth/v2/${path}`, params, said));
  }

  for (const version of [SIGNATURE_VERSION_2, SIGNATURE_VERSION_5]) {
    test(`a push is approved, with signatures of version ${version}`, async () => {
      assert.equal((await call(version, "GET", "check")).stat, "OK");
      const offered = await call(version, "POST", "preauth", { username: "ann" });
      assert.deepEqual([offered.stat, offered.response.result], ["OK", "auth"]);
      const ask = { username: "ann", factor: "push", device: "auto", async: "1", type: `Log in ${randomUUID()}` };
      const { response } = await call(version, "POST", "auth", ask);
      const pushed = await call(version, "GET", "auth_status", { txid: response.txid });
      assert.equal(pushed.response.status, "pushed");
      const pending = await known.phone.call("GET", "/Challenges?Status=pending");
      const prompt = pending.body.challenges.find(({ details }) => details.message === ask.type);
      const [answered, said] = await Promise.all([
        known.phone.answer(prompt.sid, "approved"),
        call(version, "GET", "auth_status", { txid: response.txid }),
      ]);
      assert.deepEqual([answered.status, said.response.result], [200, "allow"]);
    });
  }
});
