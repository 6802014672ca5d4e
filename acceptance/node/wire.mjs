// Connects the official SDK to our server, and keeps the responses below the SDK.
import assert from "node:assert/strict";
import twilio from "twilio";

export const server = account("");
export const stranger = account("OTHER_");

/** One account on the server under test, from the launcher's environment. */
function account(which) {
  const told = (name) => {
    const value = process.env[`ACCEPTANCE_${name}`];
    assert.ok(value, `ACCEPTANCE_${name} is not set: run this through with_server.py`);
    return value;
  };
  return { url: told("URL"), sid: told(`${which}ACCOUNT_SID`), token: told(`${which}AUTH_TOKEN`) };
}

/** Sends every request to our server, whatever host the SDK names, and keeps the responses. */
export class Redirected extends twilio.RequestClient {
  requests = [];

  async request(options) {
    const uri = options.uri.replace(/^https?:\/\/[^/]+/, server.url);
    this.requests.push(`${options.method} ${uri}`);
    this.response = await super.request({ ...options, uri });
    return this.response;
  }
}

/** The official SDK, with another host. */
export function connect(account = server, token = account.token) {
  return twilio(account.sid, token, { httpClient: new Redirected() });
}

/** Expects the SDK to reject with this HTTP status and this error code. */
export async function refused(call, status, code, message = "") {
  await assert.rejects(call, (error) => {
    assert.deepEqual([error.status, error.code], [status, code], error.message);
    assert.ok(error.message.includes(message), error.message);
    assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${code}`);
    return true;
  });
}

/** Expects a recent time, in whole seconds. */
export function assertJustNow(date) {
  assert.ok(date instanceof Date, `not a date: ${date}`);
  assert.equal(date.getMilliseconds(), 0);
  assert.ok(Math.abs(Date.now() - date) < 60_000, `not now: ${date.toISOString()}`);
}
