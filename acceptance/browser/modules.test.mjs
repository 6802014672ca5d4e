// The page's modules against the worked example of the protocol, in Node's own WebCrypto.
import assert from "node:assert/strict";
import { createPublicKey, verify, webcrypto } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describe, test } from "node:test";

const modules = new URL("../../crates/authenticator/files/", import.meta.url);
const { der, jws, makeKey, proof } = await import(new URL("keys.js", modules));
const { Clock } = await import(new URL("clock.js", modules));
const { readLink } = await import(new URL("link.js", modules));
const { plain } = await import(new URL("dom.js", modules));
const { outlook } = await import(new URL("accounts.js", modules));
const { union } = await import(new URL("reading.js", modules));
const { base64, base64url } = await import(new URL("encoding.js", modules));
const { choose, speak } = await import(new URL("words.js", modules));
speak(choose(["en"]), JSON.parse(await readFile(new URL("languages/en.json", modules), "utf8")));

const SID = "YF03a1b2c3d4e5f60718293a4b5c6d7e8f";

/** The public RFC 6979 key of the worked example. */
function exampleKey() {
  const part = (hex) => Buffer.from(hex, "hex").toString("base64url");
  const jwk = {
    kty: "EC",
    crv: "P-256",
    d: part("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721"),
    x: part("60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"),
    y: part("7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"),
  };
  const key = webcrypto.subtle.importKey("jwk", jwk, { name: "ECDSA", namedCurve: "P-256" }, false, ["sign"]);
  return { key, publicKey: createPublicKey({ key: { ...jwk, d: undefined }, format: "jwk" }) };
}

describe("the modules", () => {
  test("prove possession with a DER signature over the factor's SID", async () => {
    const { key, publicKey } = exampleKey();
    const signature = Buffer.from(await proof(await key, SID), "base64");
    assert.ok(verify("sha256", Buffer.from(SID), publicKey, signature));
  });

  test("write signatures in DER", () => {
    const raw = Buffer.concat([Buffer.from("80".padEnd(64, "0"), "hex"), Buffer.from("01".padStart(64, "0"), "hex")]);
    assert.equal(Buffer.from(der(raw)).toString("hex"), `3026022100${"80".padEnd(64, "0")}020101`);
    const zeros = der(new Uint8Array(64));
    assert.equal(Buffer.from(zeros).toString("hex"), "3006020100020100");
    // The documented signature, from its two halves and back.
    const known = "MEUCICCEPXkTgOI3OZrz69kOHxSX08kfGw4nE5kqG7EXhkGTAiEAo2VLiYa40jbXpJnPsrKpJSxAJUAO/30xkOlcDsoGQXY=";
    const bytes = Buffer.from(known, "base64");
    const half = (from, length) => bytes.subarray(from, from + length).subarray(-32);
    const [first, second] = [bytes[3], bytes[5 + bytes[3]]];
    assert.equal(base64(der(Buffer.concat([half(4, first), half(6 + first, second)]))), known);
  });

  test("sign a JWS with r and s", async () => {
    const { key, publicKey } = exampleKey();
    const header = { typ: "JWT", alg: "ES256" };
    const payload = { details: { message: "Über <Lisbon>?" }, hidden_details: null };
    const token = await jws(await key, header, payload);
    const [head, body, signature] = token.split(".");
    assert.deepEqual(JSON.parse(Buffer.from(head, "base64url")), header);
    assert.deepEqual(JSON.parse(Buffer.from(body, "base64url")), payload);
    const raw = Buffer.from(signature, "base64url");
    assert.equal(raw.length, 64);
    assert.ok(verify("sha256", Buffer.from(`${head}.${body}`), { key: publicKey, dsaEncoding: "ieee-p1363" }, raw));
  });

  test("make keys that cannot be exported, and export the public key in the API's form", async () => {
    const { privateKey, publicKey } = await makeKey();
    assert.equal(privateKey.extractable, false);
    assert.match(publicKey, /^MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE.{88}$/);
    assert.equal(publicKey.length, 124);
  });

  test("learn the server's time, and ignore small differences", (t) => {
    const noon = Date.UTC(2026, 0, 31, 12);
    t.mock.method(Date, "now", () => noon);
    const clock = new Clock();
    clock.learn(new Date(noon - 900).toUTCString());
    assert.equal(clock.now(), noon);
    clock.learn(new Date(noon + 3_600_000).toUTCString());
    assert.equal(clock.now(), noon + 3_600_500);
    clock.learn("yesterday");
    clock.learn(null);
    assert.equal(clock.now(), noon + 3_600_500);
  });

  test("read links, whole or damaged", () => {
    const service = `VA${"0".repeat(32)}`;
    const whole = `https://h.example/authenticator#service=${service}&identity=sam-porter&token=a.b..c&name=Owl+Bank`;
    const expected = { service, identity: "sam-porter", token: "a.b..c", pushKey: "" };
    assert.deepEqual(readLink(whole), expected);
    assert.deepEqual(readLink(whole.slice(whole.indexOf("#"))), expected);
    assert.deepEqual(readLink(`${whole}&push=${"B".repeat(87)}`).pushKey, "B".repeat(87));
    assert.deepEqual(readLink(whole.replace("sam-porter", "sam")).faults, ["identity"]);
    assert.deepEqual(readLink(`https://h.example/#service=${service}`).faults, ["identity", "token"]);
    for (const text of ["", "#", "hello", "https://example.com"]) {
      assert.deepEqual(readLink(text).faults, ["service", "identity", "token"]);
    }
  });

  test("show control characters as such", () => {
    assert.equal(plain("a\u202eb\u0000c\nd\u2069"), "a\ufffdb\ufffdc d\ufffd");
    assert.equal(plain("שלום 👩‍💻 naïve"), "שלום 👩‍💻 naïve");
    assert.equal(plain("1\u061c2\u200e3\u200f4\u00ad5\u{e0041}6\u3164"), "1\ufffd2\ufffd3\ufffd4\ufffd5\ufffd6\ufffd");
    assert.equal(plain(undefined), "");
  });

  test("say that nothing waits only if every account that can be asked was just reached", () => {
    const title = (...states) => outlook(states.map((state) => ({ state }))).title;
    for (const reached of ["live", "push", "asking", "shared"]) {
      assert.equal(title(reached), "Nothing to answer");
      assert.equal(title(reached, "unknown"), "Nothing to answer");
      assert.equal(title(reached, "lost"), "The server cannot be reached");
      assert.equal(title(reached, "connecting"), "Looking for questions…");
    }
    assert.equal(title("unknown"), "Nobody can ask you here");
    assert.match(outlook([{ state: "suspended" }]).text, /account is suspended/);
    assert.match(outlook([{ state: "unknown" }]).text, /removed at the server/);
  });

  test("join the ranges of a text that were in view", () => {
    assert.deepEqual(
      union([
        [0, 100],
        [90, 200],
        [300, 400],
      ]),
      [
        [0, 200],
        [300, 400],
      ],
    );
    assert.deepEqual(
      union([
        [300, 400],
        [0, 100],
        [100, 300],
      ]),
      [[0, 400]],
    );
    assert.deepEqual(
      union([
        [0, 500],
        [100, 200],
      ]),
      [[0, 500]],
    );
  });

  test("encode bytes in both alphabets", () => {
    const bytes = Uint8Array.from([251, 239, 255, 0]);
    assert.deepEqual([base64(bytes), base64url(bytes)], ["++//AA==", "--__AA"]);
  });
});
