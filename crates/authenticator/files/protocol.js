// The device's side of the API: enrolment, verification, reading and answering challenges; each call under a token of its
// own that the key signed.
import { clock } from "./clock.js";
import { base64, utf8 } from "./encoding.js";
import { jws, makeKey, proof } from "./keys.js";

/** Where the API is: this file lies two folders below it. */
export const server = new URL("../../", import.meta.url);

const SDK_VERSION = "1.0.0";
const APP_ID = "countersign.authenticator";
/** How long a token is good for, in seconds. */
const LIFETIME = 600;
/** How long a call may take, in milliseconds. */
const PATIENCE = 15_000;
/** Codes of a key that nobody has, of another account's, and of another factor's. */
const REMOVED = [20151, 20153, 20403];
/** Refused for a moment only. */
const TOO_MANY_REQUESTS = 20429;
/** How long the server is asked to wait for an end of a challenge, in seconds. */
const WAIT = 25;

/** The server said no. */
export class Refused extends Error {
  constructor(status, { code = 0, message = "" } = {}) {
    super(message || `the server answers ${status}`);
    this.status = status;
    this.code = code;
  }

  /** The server does not know this device's key any more. */
  get isUnknownDevice() {
    return REMOVED.includes(this.code);
  }

  /** The account that the service belongs to is suspended; the device's key is still known. */
  get isSuspended() {
    return this.code === 20005;
  }

  /** What was asked for is not there, such as a challenge that was withdrawn. */
  get isGone() {
    return this.status === 404;
  }
}

/** The server said nothing, or that it cannot just now. */
export class Unreachable extends Error {
  /** Whether the server itself said that it has no time; then it did nothing. */
  isBusy = false;
}

/** The connection broke while an answer was on its way: it may have arrived. */
export class Unsure extends Unreachable {}

/** Makes a key and a factor of it. What it gives is all that the device must keep; it still has to be verified. */
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
    name: link.name,
    label: "",
    deviceName,
    pushKey: link.pushKey,
    platform: target.platform,
    endpoint: target.subscription?.endpoint,
    verified: false,
    addedAt: Date.now(),
  };
}

/** What the service of a link is called: the server says so, to whoever holds the link's access token. */
export async function serviceName({ service, token }) {
  return accepted(await send("GET", nameUrl(service), token)).body.friendly_name;
}

/** A factor of this device. */
export class Device {
  constructor(account) {
    this.account = account;
  }

  get sid() {
    return this.account.factorSid;
  }

  /** Proves that the key is here. */
  async verify() {
    const AuthPayload = await proof(this.account.privateKey, this.sid);
    await this.#call("POST", this.#factorUrl(), { form: { AuthPayload } });
  }

  /** What the service is called now. */
  async serviceName() {
    return (await this.#call("GET", nameUrl(this.account.serviceSid))).body.friendly_name;
  }

  /** Tells the server what the device is called now. */
  async rename(FriendlyName) {
    await this.#call("POST", this.#factorUrl(), { form: { FriendlyName } });
  }

  /** Tells the server where prompts go from now on, and notes it. */
  async redirect(target) {
    await this.#call("POST", this.#factorUrl(), { form: config(target) });
    this.account.platform = target.platform;
    this.account.endpoint = target.subscription?.endpoint;
  }

  /** Deletes the factor; one that is not there any more counts as deleted. */
  async remove() {
    try {
      await this.#call("DELETE", this.#factorUrl());
    } catch (error) {
      if (!(error instanceof Refused && [401, 404].includes(error.status))) throw error;
    }
  }

  /** The challenges that wait for an answer, oldest first; more than twenty at a time are more than anybody answers. */
  async pending() {
    const url = entityUrl(this.#place, "Challenges");
    url.search = new URLSearchParams({ PageSize: 20, FactorSid: this.sid, Order: "asc", Status: "pending" });
    return (await this.#call("GET", url)).body.challenges;
  }

  /** One challenge, with the names of what an answer must sign while it is pending. */
  async challenge(sid, options) {
    const { body, headers } = await this.#call("GET", this.#challengeUrl(sid), options);
    const toSign = headers.get("Twilio-Verify-Signature-Fields")?.split(",");
    return { challenge: body, toSign };
  }

  /** The challenge as soon as it is not pending any more, or after a while. */
  async challengeOnceEnded(sid, signal) {
    const url = this.#challengeUrl(sid);
    url.search = new URLSearchParams({ WaitSeconds: WAIT });
    return (await this.#call("GET", url, { signal, patience: PATIENCE + WAIT * 1_000 })).body;
  }

  /**
   * Answers `approved` or `denied`, as the mobile SDKs do: reads, signs, sends, and reads again what the server has. Gives the
   * challenge as it stands. It is safe to repeat: the first answer counts.
   *
   * Throws `Unsure` if the answer may have arrived; any other error means that it has not.
   */
  async answer(sid, status) {
    const { challenge, toSign } = await this.challenge(sid);
    if (challenge.status !== "pending" || !toSign) return challenge;
    const signed = Object.fromEntries(toSign.map((name) => [name, challenge[name]]));
    const header = { typ: "JWT", alg: "ES256" };
    const AuthPayload = await jws(this.account.privateKey, header, { ...signed, status });
    try {
      await this.#call("POST", this.#challengeUrl(sid), { form: { AuthPayload } });
    } catch (error) {
      if (!(error instanceof Unreachable) || error.isBusy) throw error;
      throw new Unsure("no word of the answer", { cause: error });
    }
    // The server has taken it, whether or not it can still be read.
    return this.challenge(sid).then(
      ({ challenge }) => challenge,
      () => ({ ...challenge, status }),
    );
  }

  /** What says who calls; on the stream it also holds the server's nonce. */
  token(nonce) {
    const { credentialSid, accountSid, privateKey } = this.account;
    const now = Math.floor(clock.now() / 1_000);
    const header = { cty: "twilio-pba;v=1", kid: credentialSid, typ: "JWT", alg: "ES256" };
    const payload = { sub: accountSid, nbf: now, exp: now + LIFETIME, ...(nonce && { nonce }) };
    return jws(privateKey, header, payload);
  }

  /** Where the stream is. */
  streamUrl() {
    const url = entityUrl(this.#place, "Factors", this.sid, "Stream");
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url;
  }

  /** A call; a 401 may mean that our clock is wrong, of which the answer has just told us, so it is tried twice. */
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

function config({ platform, subscription }) {
  return {
    "Config.SdkVersion": SDK_VERSION,
    "Config.AppId": APP_ID,
    "Config.NotificationPlatform": platform,
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
      // A refusal must not make the browser ask for a password.
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
  // A 500 or 502 tells nothing of what became of the request.
  if (answer.status >= 500 || isBusy) {
    throw Object.assign(new Unreachable(`the server answers ${answer.status}`), { isBusy });
  }
  throw new Refused(answer.status, answer.body);
}
