// Reconnect delays of the stream, with a manual clock and sockets that only record calls.
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, mock, test } from "node:test";

const modules = new URL("../../crates/authenticator/files/", import.meta.url);
const { Stream } = await import(new URL("stream.js", modules));
const { clock } = await import(new URL("clock.js", modules));

describe("the stream", () => {
  let sockets;
  let heard;
  let stream;

  beforeEach(() => {
    mock.timers.enable({ apis: ["setTimeout"] });
    sockets = [];
    heard = [];
    globalThis.WebSocket = class {
      constructor() {
        this.sent = [];
        sockets.push(this);
      }
      send(text) {
        this.sent.push(text);
      }
      close() {}
    };
    const device = { streamUrl: () => "wss://h.example/stream", token: async (nonce) => `token of ${nonce}` };
    stream = new Stream(device, {
      linked: () => heard.push("linked"),
      prompt: (frame) => heard.push(frame.challenge_sid),
      lost: () => heard.push("lost"),
      refused: (code) => heard.push(`refused ${code}`),
    });
  });

  afterEach(() => {
    stream.stop();
    mock.timers.reset();
    delete globalThis.WebSocket;
  });

  const newest = () => sockets.at(-1);
  const ends = (code, reason = "") => newest().onclose({ code, reason });
  const says = (frame) => newest().onmessage({ data: JSON.stringify(frame) });

  /** The delay until the next try, to a tenth of a second. */
  function pause() {
    const before = sockets.length;
    for (let waited = 0; waited <= 120_000; waited += 100) {
      if (sockets.length > before) return waited;
      mock.timers.tick(100);
    }
    return Infinity;
  }

  async function link() {
    await newest().onmessage({ data: "a nonce" });
    await says({ type: "linked", server_time: new Date(clock.now()).toISOString() });
  }

  test("answers the nonce, and acknowledges what it hands on", async () => {
    await link();
    await says({ type: "verify_push_challenge", notification_sid: "NT1", challenge_sid: "YC1" });
    await says({ type: "something new" });
    assert.deepEqual(newest().sent, ["token of a nonce", '{"type":"ack","notification_sid":"NT1"}']);
    assert.deepEqual(heard, ["linked", "YC1"]);
  });

  test("comes back after pauses that double to a minute, and never all devices at once", async () => {
    for (const longest of [1, 2, 4, 8, 16, 32, 60, 60].map((seconds) => seconds * 1_000)) {
      ends(1006);
      const waited = pause();
      assert.ok(waited >= longest / 2 && waited <= longest + 100, `${waited} for ${longest}`);
    }
    await link();
    ends(1006);
    assert.ok(pause() <= 1_100, "a success is a new beginning");
  });

  test("comes back within a second when the server stops, and later when it is overloaded", async () => {
    await link();
    ends(1001);
    assert.ok(pause() <= 1_100);
    await link();
    ends(1013);
    assert.ok(pause() >= 5_000);
  });

  test("comes back at once when it is woken, and drops a silent connection", async () => {
    for (let time = 0; time < 6; time += 1) {
      ends(1006);
      pause();
    }
    ends(1006);
    stream.wake();
    assert.equal(sockets.length, 8);
    stream.wake();
    assert.equal(sockets.length, 8, "it tries already");
    mock.timers.tick(15_000);
    ends(1006);
    assert.ok(pause() <= 1_100, "waking is a new beginning too");
    await link();
    const old = newest();
    stream.renew();
    assert.notEqual(newest(), old);
    old.onclose({ code: 1006, reason: "" });
    assert.equal(pause(), Infinity, "the old one's messages have no effect");
  });

  test("corrects its clock once when it is refused, and then says so", async (t) => {
    const now = Date.now();
    t.mock.method(Date, "now", () => now);
    const reason = JSON.stringify({ code: 20156, server_time: new Date(now + 7_200_000).toISOString() });
    ends(4401, reason);
    assert.equal(sockets.length, 2);
    assert.equal(clock.now(), now + 7_200_500);
    ends(4401, reason);
    assert.deepEqual(heard, ["refused 20156"]);
    assert.equal(pause(), Infinity);
    clock.learn(new Date(now).toISOString());
  });

  test("leaves the stream to the page that took it over, until it is looked at", () => {
    ends(4409);
    assert.equal(pause(), Infinity);
    stream.wake();
    assert.equal(sockets.length, 2);
    ends(4404);
    assert.deepEqual(heard, ["lost", "refused undefined"]);
  });
});
