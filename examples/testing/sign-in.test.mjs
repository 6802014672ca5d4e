// A test suite of an application that asks by Countersign: every path in milliseconds, on a server of its own.
//
//     node --test sign-in.test.mjs
//
// `countersign` must be in the path, or named by COUNTERSIGN. With Jest, import `test`, `beforeAll` and `afterAll` from "@jest/globals"
// instead; the tests stay as they are.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after as afterAll, before as beforeAll, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";

const COUNTERSIGN = process.env.COUNTERSIGN ?? "countersign";
const PERSON = "ff483d1ff591";
const folder = mkdtempSync(join(tmpdir(), "countersign-"));
const account = "AC" + randomBytes(16).toString("hex");
const token = randomBytes(16).toString("hex");
let url, server, webhook, service, factor;
let events = [];

async function freePort() {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address();
  listener.close();
  await once(listener, "close");
  return port;
}

async function call(method, path, form) {
  const headers = { Authorization: "Basic " + Buffer.from(`${account}:${token}`).toString("base64") };
  const response = await fetch(url + path, { method, headers, body: form && new URLSearchParams(form) });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

async function put(path, change) {
  const response = await fetch(url + path, { method: "PUT", body: JSON.stringify(change) });
  assert.equal(response.status, 200, await response.text());
}

/** Lets time pass; what falls due has been done afterwards. */
const advance = (seconds) => put("/_test/clock", { advance_seconds: seconds });
/** Has the server misbehave, or behave again. */
const manners = (shares) => put("/_test/manners", shares);
const phone = (...words) => promisify(execFile)(COUNTERSIGN, ["phone", ...words, "--file", join(folder, "phone.json")]);

async function ask() {
  const path = `${service}/Entities/${PERSON}/Challenges`;
  const { body } = await call("POST", path, { FactorSid: factor, "Details.Message": "Log in to Owl Bank?" });
  return { sid: body.sid, status: async () => (await call("GET", `${path}/${body.sid}`)).body.status };
}

beforeAll(async () => {
  webhook = createServer(async (request, response) => {
    let body = "";
    for await (const part of request) body += part;
    events.push(Object.fromEntries(new URLSearchParams(body)));
    response.writeHead(204).end();
  }).listen(0, "127.0.0.1");
  await once(webhook, "listening");

  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const listen = ["--listen", `127.0.0.1:${port}`, "--allow-outgoing", "127.0.0.0/8"];
  server = spawn(COUNTERSIGN, ["serve", "--test-mode", "--data-dir", join(folder, "data"), ...listen], {
    env: { ...process.env, COUNTERSIGN_ACCOUNT_SID: account, COUNTERSIGN_AUTH_TOKEN: token },
    stdio: "ignore",
  });
  while (!(await fetch(`${url}/readyz`).catch(() => ({ ok: false }))).ok) {
    assert.equal(server.exitCode, null, "the server ended");
    await sleep(50);
  }
  // Time passes when a test says so.
  await put("/_test/clock", { frozen: true });

  const { body } = await call("POST", "/v2/Services", { FriendlyName: "Owl Bank" });
  service = `/v2/Services/${body.sid}`;
  const hook = `http://127.0.0.1:${webhook.address().port}/`;
  const kinds = ["challenge.approved", "challenge.denied", "challenge.expired"].map((kind) => ["EventTypes", kind]);
  await call("POST", `${service}/Webhooks`, [["FriendlyName", "tests"], ["WebhookUrl", hook], ...kinds]);
  const grant = await call("POST", `${service}/AccessTokens`, { Identity: PERSON, FactorType: "push" });
  const enrol = ["--server", url, "--service", body.sid, "--identity", PERSON, "--access-token", grant.body.token];
  await phone("enrol", "--platform", "none", ...enrol);
  factor = (await call("GET", `${service}/Entities/${PERSON}/Factors`)).body.factors[0].sid;
});

afterAll(async () => {
  webhook?.closeAllConnections();
  webhook?.close();
  if (server?.exitCode === null && server.kill()) await once(server, "exit");
  rmSync(folder, { recursive: true });
});

/** The kinds of the events about a challenge. */
const told = (sid) => events.filter((event) => event.challenge_sid === sid).map((event) => event.type);

test("a person approves", async () => {
  const { sid, status } = await ask();
  await phone("approve", sid);
  await advance(1);
  assert.equal(await status(), "approved");
  assert.deepEqual(told(sid), ["challenge.approved"]);
});

test("nobody answers within five minutes", async () => {
  const { sid, status } = await ask();
  await advance(300);
  assert.equal(await status(), "expired");
  assert.deepEqual(told(sid), ["challenge.expired"]);
});

test("the answer of a request is lost, though it was carried out", async () => {
  const before = (await call("GET", "/v2/Services")).body.services.length;
  await manners({ answers_lost: 1 });
  const lost = await call("POST", "/v2/Services", { FriendlyName: "Owl Bank again" });
  await manners({});
  assert.equal(lost.status, 503);
  assert.equal((await call("GET", "/v2/Services")).body.services.length, before + 1);
});

test("the server is overloaded at times", async () => {
  await manners({ seed: 7, too_many_requests: 0.3 });
  const statuses = [];
  for (let turn = 0; turn < 20; turn++) statuses.push((await call("GET", service)).status);
  await manners({});
  assert.deepEqual(new Set(statuses), new Set([200, 429]));
});
