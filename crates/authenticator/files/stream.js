// The device stream: one WebSocket, kept up as long as it is wanted. Prompts come down; answers go the ordinary way.
import { clock } from "./clock.js";

/** From the first byte to the linked frame, in milliseconds. */
const LINKING = 15_000;
const SHORTEST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

/** What the server means by closing. */
const RESTARTS = 1001;
const OVERLOADED = 1013;
const REFUSED = 4401;
const NO_FACTOR = 4404;
const REPLACED = 4409;

export class Stream {
  #device;
  #events;
  #socket;
  #timer;
  #failures = 0;
  #refusals = 0;
  #stopped = false;

  /**
   * `events`: `linked()`, `prompt(frame)`, `lost()` when it will be tried again, and `refused(code)` when that would be of
   * no use.
   */
  constructor(device, events) {
    this.#device = device;
    this.#events = events;
    this.#connect();
  }

  /** Tries again at once, if it is waiting to: the network or the person has come back. */
  wake() {
    if (this.#socket || this.#stopped) return;
    this.#failures = 0;
    this.#connect();
  }

  /** Ends a connection of which nobody knows whether it still stands, and makes a new one. */
  renew() {
    this.#drop();
    this.wake();
  }

  stop() {
    this.#stopped = true;
    this.#drop();
  }

  #drop() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = undefined;
    socket?.close();
  }

  #connect() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(this.#device.streamUrl());
    this.#socket = socket;
    this.#timer = setTimeout(() => socket.close(), LINKING);
    let nonce;
    socket.onmessage = async ({ data }) => {
      if (socket !== this.#socket) return;
      if (nonce === undefined) {
        nonce = data;
        socket.send(await this.#device.token(nonce));
      } else {
        this.#hear(socket, JSON.parse(data));
      }
    };
    socket.onclose = ({ code, reason }) => {
      if (socket === this.#socket) this.#closed(code, reason);
    };
  }

  #hear(socket, frame) {
    if (frame.type === "linked") {
      clearTimeout(this.#timer);
      this.#failures = this.#refusals = 0;
      clock.learn(frame.server_time);
      this.#events.linked();
    } else if (frame.type === "verify_push_challenge") {
      socket.send(JSON.stringify({ type: "ack", notification_sid: frame.notification_sid }));
      this.#events.prompt(frame);
    }
  }

  #closed(code, reason) {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    if (code === REFUSED && this.#refusals === 0) {
      // Perhaps our clock was wrong: the refusal says what time it is.
      this.#refusals += 1;
      clock.learn(parsed(reason).server_time);
      this.#connect();
      return;
    }
    if (code === REFUSED || code === NO_FACTOR) {
      this.#refusals = 0;
      this.#events.refused(parsed(reason).code);
      return;
    }
    this.#events.lost();
    // Another one of ours took over; this one comes back when it is looked at.
    if (code === REPLACED) return;
    this.#timer = setTimeout(() => this.#connect(), this.#pause(code));
  }

  /** Doubling from one to sixty seconds, and at random, so that devices that left together do not return together. */
  #pause(code) {
    if (code === RESTARTS && this.#failures === 0) return Math.random() * SHORTEST_PAUSE;
    const longest = Math.min(LONGEST_PAUSE, SHORTEST_PAUSE * 2 ** this.#failures);
    this.#failures += 1;
    const pause = longest * (0.5 + Math.random() / 2);
    return code === OVERLOADED ? pause + 5 * SHORTEST_PAUSE : pause;
  }
}

function parsed(reason) {
  try {
    return JSON.parse(reason);
  } catch {
    return {};
  }
}
