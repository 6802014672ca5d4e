// The device's key: P-256, made by the browser, and not to be got out of it, not even by this page.
import { base64, base64url, utf8 } from "./encoding.js";

const KIND = { name: "ECDSA", namedCurve: "P-256" };
const SIGNATURE = { name: "ECDSA", hash: "SHA-256" };

/** A fresh key: the private half as a handle for IndexedDB, the public half as the server wants it (SPKI in base64). */
export async function makeKey() {
  const pair = await crypto.subtle.generateKey(KIND, false, ["sign", "verify"]);
  const spki = await crypto.subtle.exportKey("spki", pair.publicKey);
  return { privateKey: pair.privateKey, publicKey: base64(spki) };
}

/** The proof that this device holds the key of a factor: a DER signature over its SID, in base64. */
export async function proof(privateKey, factorSid) {
  return base64(der(await sign(privateKey, factorSid)));
}

/** A compact JWS (ES256) of a header and a payload. */
export async function jws(privateKey, header, payload) {
  const signed = [header, payload].map((part) => base64url(utf8(JSON.stringify(part)))).join(".");
  return `${signed}.${base64url(await sign(privateKey, signed))}`;
}

/** r and s, 32 bytes each: what WebCrypto makes, and what a JWS holds. */
async function sign(privateKey, text) {
  return new Uint8Array(await crypto.subtle.sign(SIGNATURE, privateKey, utf8(text)));
}

/** The same signature as an ASN.1 SEQUENCE of two INTEGERs. */
export function der(rs) {
  const integers = [rs.subarray(0, 32), rs.subarray(32)].map(integer);
  const body = integers.flat();
  return Uint8Array.from([0x30, body.length, ...body]);
}

/** Without needless zeros in front, and with one where the number would read as negative. */
function integer(bytes) {
  const from = bytes.findIndex((byte) => byte !== 0);
  const digits = from < 0 ? [0] : Array.from(bytes.subarray(from));
  if (digits[0] >= 0x80) digits.unshift(0);
  return [0x02, digits.length, ...digits];
}
