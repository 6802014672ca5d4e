// The lock of the device: fingerprint, face or PIN, by a passkey of the platform that signs for nobody. The server is told only that
// the page asked: it trusts the page in this, as in everything that the page shows.
import { holderOf } from "./accounts.js";
import { utf8 } from "./encoding.js";
import { saveAccount } from "./store.js";

/** Time for the person to unlock, in milliseconds. */
const PATIENCE = 60_000;
const ES256 = -7;
const RS256 = -257;
/** The bit of a credential's data that says that the person was verified, and the byte in which it stands. */
const VERIFIED = 0x04;
const FLAGS = 32;

/** The person was not verified. */
export class Unverified extends Error {
  /** Whether this browser cannot verify anybody. */
  isUnsupported = false;
}

/** Makes the passkey of a new account, so that its first approval is as quick as the others. Without one, that approval makes it. */
export async function prepareVerification(account) {
  if (await isAble()) await make(account).catch(() => {});
}

/** Has the platform verify the person. Without a passkey of the account it makes one, which verifies too. */
export async function verifyPerson(account) {
  if (!(await isAble())) throw Object.assign(new Unverified(), { isUnsupported: true });
  try {
    const data = account.passkey ? await use(account) : await make(account);
    if (data && (new Uint8Array(data)[FLAGS] & VERIFIED) === 0) throw new Unverified();
  } catch (error) {
    // The passkey may have been deleted in the platform's settings: the next try makes another.
    account.passkey = undefined;
    throw error instanceof Unverified ? error : new Unverified("no verification", { cause: error });
  }
}

async function isAble() {
  const kind = globalThis.PublicKeyCredential;
  return Boolean(kind && (await kind.isUserVerifyingPlatformAuthenticatorAvailable().catch(() => false)));
}

async function make(account) {
  const { rawId, response } = await navigator.credentials.create({
    publicKey: {
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      rp: { name: "Countersign" },
      user: { id: utf8(account.factorSid), name: account.identity, displayName: holderOf(account) },
      pubKeyCredParams: [ES256, RS256].map((alg) => ({ type: "public-key", alg })),
      authenticatorSelection: { authenticatorAttachment: "platform", userVerification: "required" },
      timeout: PATIENCE,
    },
  });
  account.passkey = rawId;
  await saveAccount(account);
  return response.getAuthenticatorData?.();
}

async function use({ passkey }) {
  const { response } = await navigator.credentials.get({
    publicKey: {
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      allowCredentials: [{ type: "public-key", id: passkey, transports: ["internal"] }],
      userVerification: "required",
      timeout: PATIENCE,
    },
  });
  return response.authenticatorData;
}
