// The documented call from a page in a browser: the browser must allow it.
import assert from "node:assert/strict";
import { before, describe, test } from "node:test";
import { ann, stage } from "../node/stage.mjs";
import { server } from "../node/wire.mjs";
import { assertAllows, assertReadable, askedFor, preflight, send } from "./browser.mjs";
import { createNotification } from "./generated.mjs";

const ORIGIN = "https://app.owlbank.example";
const CORS_HEADERS = [
  "access-control-allow-origin",
  "access-control-allow-methods",
  "access-control-allow-headers",
  "access-control-allow-credentials",
  "access-control-expose-headers",
];

describe("a page of another origin", () => {
  const scene = stage();
  let url;
  let call;

  before(async () => {
    const { identity, ask } = await ann(scene);
    const path = { serviceSid: scene.sid, identity, challengeSid: (await ask()).sid };
    url = `${server.url}/v2/Services/${scene.sid}/Entities/${identity}/Challenges/${path.challengeSid}/Notifications`;
    // The headers that the generated client really sets: what it sends from Node it sends from a page.
    const { error, request } = await createNotification(path, { ttl: 56 });
    assert.equal(error, null);
    const headers = { ...request.header, Authorization: basic(server) };
    call = { origin: ORIGIN, method: "POST", headers };
  });

  function basic({ sid, token }) {
    return `Basic ${Buffer.from(`${sid}:${token}`).toString("base64")}`;
  }

  function assertAllFive({ headers }) {
    for (const name of CORS_HEADERS) assert.ok(headers[name], `${name} is missing`);
    assert.equal(headers["access-control-allow-credentials"], "true");
  }

  test("may send the client's credentials and name", () => {
    assert.deepEqual(askedFor(call.headers), ["authorization", "user-agent"]);
  });

  test("may make the call after a preflight without credentials", async () => {
    const answer = await preflight(url, call);

    assertAllows(answer, call);
    assertAllFive(answer);
  });

  test("may make every call of the API", async () => {
    for (const [method, path] of [
      ["GET", "/v2/Services"],
      ["POST", `/v2/Services/${scene.sid}`],
      ["DELETE", `/v2/Services/${scene.sid}`],
      ["GET", "/v1/Credentials"],
    ]) {
      const wanted = { ...call, method };
      assertAllows(await preflight(server.url + path, wanted), wanted);
    }
  });

  test("may read the answer", async () => {
    const answer = await send(url, "POST", { ...call.headers, Origin: ORIGIN }, "Ttl=150");

    assert.equal(answer.status, 201, answer.text);
    assertReadable(answer, ORIGIN);
    assertAllFive(answer);
  });

  const nobody = basic({ ...server, token: "x".repeat(32) });
  for (const [what, status, change] of [
    ["a refusal", 400, () => ({ body: "Ttl=301" })],
    ["that it is not logged in", 401, () => ({ headers: { Authorization: nobody } })],
    ["that there is no such challenge", 404, () => ({ at: url.replace(/YC\w+/, `YC${"0".repeat(32)}`) })],
    ["that there is no such path", 404, () => ({ at: `${server.url}/v2/Nothing` })],
  ]) {
    test(`may read ${what}`, async () => {
      const { at = url, headers = {}, body = "Ttl=150" } = change();

      const answer = await send(at, "POST", { ...call.headers, ...headers, Origin: ORIGIN }, body);

      assert.equal(answer.status, status, answer.text);
      assertReadable(answer, ORIGIN);
      assertAllFive(answer);
      assert.equal(JSON.parse(answer.text).status, status);
    });
  }
});
