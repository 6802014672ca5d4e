// A phone: it holds a P-256 key and calls the server as the mobile SDKs do, over plain HTTP.
import { generateKeyPairSync, sign } from "node:crypto";

const FORM = "application/x-www-form-urlencoded";

export class Phone {
  #key = generateKeyPairSync("ec", { namedCurve: "P-256" });

  constructor(url) {
    this.url = url;
  }

  /** The value of `Binding.PublicKey`. */
  get publicKey() {
    return this.#key.publicKey.export({ type: "spki", format: "der" }).toString("base64");
  }

  /** Keeps the factor that the server made of this phone, as the SDK returns it. */
  keep(factor) {
    this.sid = factor.sid;
    this.accountSid = factor.accountSid;
    this.serviceSid = factor.serviceSid;
    this.identity = factor.identity;
    this.keyId = factor.config.credential_sid;
  }

  /** The `AuthPayload` that verifies its factor: a DER signature over the factor's SID. */
  proof() {
    return sign("sha256", Buffer.from(this.sid), this.#key.privateKey).toString("base64");
  }

  /** The challenge as this phone reads it, with the header that says what an answer must sign. */
  see(challengeSid) {
    return this.call("GET", `/Challenges/${challengeSid}`);
  }

  /** Reads the challenge and answers it: `approved` or `denied`. */
  async answer(challengeSid, status) {
    return this.sendAnswer(challengeSid, this.signedAnswer(await this.see(challengeSid), status));
  }

  sendAnswer(challengeSid, authPayload) {
    return this.call("POST", `/Challenges/${challengeSid}`, { AuthPayload: authPayload });
  }

  /** The `AuthPayload` for a challenge that was read before. */
  signedAnswer({ headers, body }, status) {
    const names = headers.get("Twilio-Verify-Signature-Fields").split(",");
    const signed = Object.fromEntries(names.map((name) => [name, body[name]]));
    return this.#jwt({ typ: "JWT", alg: "ES256" }, { ...signed, status });
  }

  /** A request below this phone's entity, under a fresh device token. */
  async call(method, path, form) {
    const url = `${this.url}/v2/Services/${this.serviceSid}/Entities/${this.identity}${path}`;
    const response = await fetch(url, {
      method,
      headers: {
        // The mobile SDKs send this; the server must accept it.
        Accept: method === "GET" ? FORM : "application/json",
        Authorization: `Basic ${Buffer.from(`token:${this.#deviceToken()}`).toString("base64")}`,
        "Content-Type": FORM,
      },
      body: form && new URLSearchParams(form).toString(),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text && JSON.parse(text) };
  }

  #deviceToken() {
    const now = Math.floor(Date.now() / 1000);
    const header = { cty: "twilio-pba;v=1", kid: this.keyId, typ: "JWT", alg: "ES256" };
    return this.#jwt(header, { sub: this.accountSid, exp: now + 600, nbf: now });
  }

  #jwt(header, payload) {
    // Both mobile platforms write a slash as `\/`: the value counts, not its text.
    const signed = [header, payload]
      .map((part) => JSON.stringify(part).replaceAll("/", "\\/"))
      .map((part) => Buffer.from(part).toString("base64url"))
      .join(".");
    const key = { key: this.#key.privateKey, dsaEncoding: "ieee-p1363" };
    return `${signed}.${sign("sha256", Buffer.from(signed), key).toString("base64url")}`;
  }
}
