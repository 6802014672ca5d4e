// The device's side of the API: enrolment, verification, reading and answering challenges. Each request has its own token,
// signed with the key.
import { clock } from "./clock.js";
import { base64, utf8 } from "./encoding.js";
import { jws, makeKey, proof } from "./keys.js";

/** URL of the API: this file lies two folders below it. */
export const server = new URL("../../", import.meta.url);

const SDK_VERSION = "1.0.0";
const APP_ID = "countersign.authenticator";
/** Validity of a token in seconds. */
const LIFETIME = 600;
/** Timeout of a request in milliseconds. */
const PATIENCE = 15_000;
/** Codes for an unknown key, for another account's, and for another factor's. */
const REMOVED = [20151, 20153, 20403];
/** Codes for temporary errors. */
const TOO_MANY_REQUESTS = 20429;
/** Duration of a long poll in seconds. */
const WAIT = 25;

/** The server returned an error. */
export class Refused extends Error {
  constructor(status, { code = 0, message = "" } = {}) {
    super(message || `the server answers ${status}`);
    this.status = status;
    this.code = code;
  }

  /** The server does not know this device's key. */
  get isUnknownDevice() {
    return REMOVED.includes(this.code);
  }

  /** The service's account is suspended. The device's key stays valid. */
  get isSuspended() {
    return this.code === 20005;
  }

  /** The resource does not exist, for example a challenge that was withdrawn. */
  get isGone() {
    return this.status === 404;
  }
}

/** The server did not answer, or is temporarily unavailable. */
export class Unreachable extends Error {
  /** Whether the server itself declined the request, which then had no effect. */
  isBusy = false;
}

/** The connection broke while an answer was being sent: it may have arrived. */
export class Unsure extends Unreachable {}

/** Creates a key and an unverified factor. Returns everything that the device must store. */
export async function enrol(link, deviceName, target) {
  const { privateKey, publicKey } = await makeKey();
  const form = {
    FriendlyName: deviceName,
    FactorType: "push",
    "Binding.PublicKey": publicKey,
    "Binding.Alg": "ES256",
    ...config(target),
  };
  const url = entityUrl(link, "Factors");
  const { body } = accepted(await send("POST", url, link.token, { form }));
  return {
    factorSid: body.sid,
    accountSid: body.account_sid,
    serviceSid: link.service,
    identity: link.identity,
    credentialSid: body.config.credential_sid,
    privateKey,
    name: link.shown.name,
    logo: link.shown.logo,
    accountLabel: link.shown.accountLabel,
    label: "",
    deviceName,
    pushKey: link.pushKey,
    platform: target.platform,
    endpoint: target.subscription?.endpoint,
    verified: false,
    addedAt: Date.now(),
  };
}

/** A link's service, for the holder of the link's access token. */
export async function serviceOf({ service, token }) {
  return asShown(accepted(await send("GET", nameUrl(service), token)));
}

/** A factor of this device. */
export class Device {
  constructor(account) {
    this.account = account;
  }

  get sid() {
    return this.account.factorSid;
  }

  /** Proves possession of the key. */
  async verify() {
    const AuthPayload = await proof(this.account.privateKey, this.sid);
    await this.#call("POST", this.#factorUrl(), { form: { AuthPayload } });
  }

  /** The service as it is now. */
  async service() {
    return asShown(await this.#call("GET", nameUrl(this.account.serviceSid)));
  }

  /** Changes the name of the device. */
  async rename(FriendlyName) {
    await this.#call("POST", this.#factorUrl(), { form: { FriendlyName } });
  }

  /** Changes the platform for prompts and stores it. */
  async redirect(target) {
    await this.#call("POST", this.#factorUrl(), { form: config(target) });
    this.account.platform = target.platform;
    this.account.endpoint = target.subscription?.endpoint;
  }

  /** Deletes the factor. A missing one counts as deleted. */
  async remove() {
    try {
      await this.#call("DELETE", this.#factorUrl());
    } catch (error) {
      if (!(error instanceof Refused && [401, 404].includes(error.status))) throw error;
    }
  }

  /** The pending challenges, oldest first. Twenty are enough for a person. */
  async pending() {
    const url = entityUrl(this.#place, "Challenges");
    url.search = new URLSearchParams({ PageSize: 20, FactorSid: this.sid, Order: "asc", Status: "pending" });
    return (await this.#call("GET", url)).body.challenges;
  }

  /** The newest challenges, of every status. */
  async recent() {
    const url = entityUrl(this.#place, "Challenges");
    url.search = new URLSearchParams({ PageSize: 50, FactorSid: this.sid, Order: "desc" });
    return (await this.#call("GET", url)).body.challenges;
  }

  /** A challenge. While it is pending, with the names of the members to sign, and with what an approval needs. */
  async challenge(sid, options) {
    const answer = await this.#call("GET", this.#challengeUrl(sid), options);
    const toSign = answer.headers.get("Twilio-Verify-Signature-Fields")?.split(",");
    return { challenge: withReason(answer), toSign, needs: needsOf(answer.headers) };
  }

  /** The challenge as soon as it is no longer pending, or after a while. */
  async challengeOnceEnded(sid, signal) {
    const url = this.#challengeUrl(sid);
    url.search = new URLSearchParams({ WaitSeconds: WAIT });
    return withReason(await this.#call("GET", url, { signal, patience: PATIENCE + WAIT * 1_000 }));
  }

  /**
   * Answers `approved` or `denied`, as the mobile SDKs do: reads, signs, sends, and reads the challenge again. Returns the
   * challenge. Safe to repeat, because the first answer counts. `more` has further members to sign: `reason`,
   * `presence_answer`, `user_verified`.
   *
   * Throws `Unsure` if the answer may have arrived; any other error means that it has not.
   */
  async answer(sid, status, more) {
    const { challenge, toSign } = await this.challenge(sid);
    if (challenge.status !== "pending" || !toSign) return challenge;
    const signed = Object.fromEntries(toSign.map((name) => [name, challenge[name]]));
    const header = { typ: "JWT", alg: "ES256" };
    const AuthPayload = await jws(this.account.privateKey, header, { ...signed, status, ...more });
    try {
      await this.#call("POST", this.#challengeUrl(sid), { form: { AuthPayload } });
    } catch (error) {
      if (!(error instanceof Unreachable) || error.isBusy) throw error;
      throw new Unsure("no word of the answer", { cause: error });
    }
    // The server has accepted it, even if it cannot be read now.
    return this.challenge(sid).then(
      ({ challenge }) => challenge,
      () => ({ ...challenge, status }),
    );
  }

  /** The token of a request. On the stream it also contains the server's nonce. */
  token(nonce) {
    const { credentialSid, accountSid, privateKey } = this.account;
    const now = Math.floor(clock.now() / 1_000);
    const header = { cty: "twilio-pba;v=1", kid: credentialSid, typ: "JWT", alg: "ES256" };
    const payload = { sub: accountSid, nbf: now, exp: now + LIFETIME, ...(nonce && { nonce }) };
    return jws(privateKey, header, payload);
  }

  /** URL of the stream. */
  streamUrl() {
    const url = entityUrl(this.#place, "Factors", this.sid, "Stream");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url;
  }

  /**
   * Sends a request. A 401 may mean that the device's clock is wrong; the response has corrected it, so the request is retried
   * once.
   */
  async #call(method, url, options) {
    const first = await send(method, url, await this.token(), options);
    if (first.status !== 401) return accepted(first);
    return accepted(await send(method, url, await this.token(), options));
  }

  get #place() {
    return { service: this.account.serviceSid, identity: this.account.identity };
  }

  #factorUrl() {
    return entityUrl(this.#place, "Factors", this.sid);
  }

  #challengeUrl(sid) {
    return entityUrl(this.#place, "Challenges", sid);
  }
}

/** Whether a challenge is over because another device of the person has answered. */
export function isElsewhere({ status_reason }) {
  return status_reason === "answered_elsewhere";
}

/** A challenge, with the reason of its end, which is in a header. */
function withReason({ body, headers }) {
  return { ...body, status_reason: headers.get("Countersign-Status-Reason") };
}

/**
 * The parts of a service, and of the account with it, that a person sees, `{ name, logo, accountLabel }`, and whether its approvals
 * need `verification`.
 */
function asShown({ body }) {
  const { label, friendly_name, logo_url, user_verification, account_label } = body;
  return {
    name: label ?? friendly_name,
    logo: logo_url?.split("/").pop(),
    accountLabel: account_label ?? undefined,
    verification: user_verification === "required",
  };
}

/** The address of an account's logo, on this page's own origin whatever the server calls itself; `undefined` without a logo. */
export function logoOf({ serviceSid, logo }) {
  return logo && new URL(["v2", "Services", serviceSid, "Logos", logo].map(encodeURIComponent).join("/"), server).href;
}

/** How to ask: `{ isQuiet, presence, verification }`; the last two are what an approval needs. */
function needsOf(headers) {
  const [mode, ...rest] = (headers.get("Countersign-Presence") ?? "").split(";").map((part) => part.trim());
  const told = Object.fromEntries(rest.map((part) => part.split("=")));
  const needs = {
    isQuiet: headers.get("Countersign-Quiet") === "true",
    verification: headers.get("Countersign-User-Verification") === "required",
  };
  if (mode === "number") return { ...needs, presence: { mode, digits: Number(told.digits) } };
  if (mode === "pick") return { ...needs, presence: { mode, options: told.options.split(",") } };
  return needs;
}

function config({ platform, subscription }) {
  return {
    "Config.SdkVersion": SDK_VERSION,
    "Config.AppId": APP_ID,
    "Config.NotificationPlatform": platform,
    // Other servers ignore it.
    "Config.Presence": "number",
    ...(subscription && { "Config.NotificationToken": JSON.stringify(subscription) }),
  };
}

function entityUrl({ service, identity }, ...rest) {
  const path = ["v2", "Services", service, "Entities", identity, ...rest];
  return new URL(path.map(encodeURIComponent).join("/"), server);
}

function nameUrl(service) {
  return new URL(["v2", "Services", service, "Name"].map(encodeURIComponent).join("/"), server);
}

async function send(method, url, password, { form, signal, patience = PATIENCE } = {}) {
  const limit = AbortSignal.timeout(patience);
  let response;
  let text;
  try {
    response = await fetch(url, {
      method,
      headers: { Accept: "application/json", Authorization: `Basic ${base64(utf8(`token:${password}`))}` },
      body: form && new URLSearchParams(form),
      // A 401 must not open the browser's password dialog.
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
    text = await response.text();
  } catch (error) {
    signal?.throwIfAborted();
    throw new Unreachable("no answer from the server", { cause: error });
  }
  clock.learn(response.headers.get("Date"));
  let body;
  try {
    body = text === "" ? undefined : JSON.parse(text);
  } catch (error) {
    throw new Unreachable("something else answers in the server's place", { cause: error });
  }
  return { status: response.status, headers: response.headers, body };
}

function accepted(answer) {
  if (answer.status < 300) return answer;
  const isBusy = answer.status === 503 || answer.body?.code === TOO_MANY_REQUESTS;
  // After a 500 or 502 the effect of the request is unknown.
  if (answer.status >= 500 || isBusy) {
    throw Object.assign(new Unreachable(`the server answers ${answer.status}`), { isBusy });
  }
  throw new Refused(answer.status, answer.body);
}
