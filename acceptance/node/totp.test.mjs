import assert from "node:assert/strict";
import { createHmac, randomBytes, randomUUID } from "node:crypto";
import { describe, test } from "node:test";
import { stage } from "./stage.mjs";
import { refused } from "./wire.mjs";

const STEP = 60;

/** The code of RFC 6238 with SHA-1 and six digits, this many steps from now. */
function code(secret, steps = 0) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 1000 / STEP) + steps));
  const mac = createHmac("sha1", secret).update(counter).digest();
  const at = mac[19] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, "0");
}

function base32(bytes) {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.match(/.{5}/g).map((five) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[parseInt(five, 2)]).join("");
}

describe("factors with codes", () => {
  const scene = stage();

  test("a secret that the application supplies verifies and answers, each code once", async () => {
    const entity = scene.service.entities(randomUUID());
    const secret = randomBytes(20);
    const factor = await entity.newFactors.create({
      friendlyName: "Ann's codes",
      factorType: "totp",
      "binding.secret": base32(secret),
      "config.timeStep": STEP,
      "config.skew": 2, // so that the test may run across the end of a step
    });
    assert.deepEqual([factor.factorType, factor.status], ["totp", "unverified"]);
    assert.equal(factor.binding.secret, base32(secret));
    assert.match(factor.binding.uri, /^otpauth:\/\/totp\//);

    const first = code(secret, -1);
    assert.equal((await entity.factors(factor.sid).update({ authPayload: first })).status, "verified");
    const atOnce = await entity.challenges.create({ factorSid: factor.sid, authPayload: code(secret) });
    assert.equal(atOnce.status, "approved");
    const { sid } = await entity.challenges.create({ factorSid: factor.sid });
    await refused(entity.challenges(sid).update({ authPayload: first }), 403, 60324);
    assert.equal((await entity.challenges(sid).update({ authPayload: code(secret, 1) })).status, "approved");
  });
});
