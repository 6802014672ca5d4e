// The device stream: one WebSocket, reconnected while it is wanted. It delivers prompts; answers are ordinary requests.
import { clock } from "./clock.js";

/** Time from the first byte to the confirmation, in milliseconds. */
const LINKING = 15_000;
const SHORTEST_PAUSE = 1_000;
const LONGEST_PAUSE = 60_000;

/** The meaning of the server's close codes. */
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

  /** `events`: `linked()`, `prompt(frame)`, `ended(frame)`, `lost()` when it will reconnect, and `refused(code)` when that would be useless. */
  constructor(device, events) {
    this.#device = device;
    this.#events = events;
    this.#connect();
  }

  /** Reconnects at once if it is waiting: the network is back, or the person has returned. */
  wake() {
    if (this.#socket || this.#stopped) return;
    this.#failures = 0;
    this.#connect();
  }

  /** Replaces a connection that may be dead. */
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
    } else if (frame.type === "challenge_ended") {
      this.#events.ended(frame);
    }
  }

  #closed(code, reason) {
    clearTimeout(this.#timer);
    this.#socket = undefined;
    if (code === REFUSED && this.#refusals === 0) {
      // The device's clock may be wrong: the rejection contains the time.
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
    // Another connection of this device replaced it. Reconnects when the page becomes visible.
    if (code === REPLACED) return;
    this.#timer = setTimeout(() => this.#connect(), this.#pause(code));
  }

  /** Delay from one to sixty seconds, doubling, with jitter so that devices do not reconnect at the same time. */
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
