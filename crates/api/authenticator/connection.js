// How one account is reached: by push, by the stream, or by asking every so often when neither works.
import { Refused } from "./protocol.js";
import { saveAccount } from "./store.js";
import { Stream } from "./stream.js";

/** How often the server is asked while somebody looks at the page and no stream stands, in milliseconds. */
const ASKING = 15_000;
/** After that long without a beat the machine was asleep, and the server has given the stream up. */
const SLEPT = 100_000;

/**
 * States: `connecting`; `live` (the stream stands); `push`; `asking` (no stream, and the server answers); `shared` (another
 * tab holds the stream); `lost` (no answer; it is tried again); `unknown` (the server does not know this device any more).
 */
export class Connection {
  state = "connecting";
  #inbox;
  #changed;
  #stream;
  #stopping = new AbortController();
  #beat = Date.now();
  #timer;

  constructor(device, inbox, changed) {
    this.device = device;
    this.#inbox = inbox;
    this.#changed = changed;
    this.#timer = setInterval(() => this.#tick(), ASKING);
    this.#open();
  }

  /** The network or the person has come back. */
  async wake() {
    const slept = Date.now() - this.#beat > SLEPT;
    this.#beat = Date.now();
    if (slept) this.#stream?.renew();
    else this.#stream?.wake();
    await this.ask();
  }

  /** Asks what waits. */
  async ask() {
    if (this.state === "unknown") return;
    try {
      await this.#verified();
      await this.#inbox.refresh(this.device);
      if (this.#reachedBy === "webpush") this.#enter("push");
      else if (["connecting", "lost"].includes(this.state)) this.#enter("asking");
    } catch (error) {
      this.#failed(error);
    }
  }

  stop() {
    clearInterval(this.#timer);
    this.#stopping.abort();
    this.#stream?.stop();
  }

  get #reachedBy() {
    return this.device.account.platform;
  }

  async #open() {
    await this.ask();
    if (this.state === "unknown" || this.#reachedBy !== "stream") return;
    // One tab holds the stream; when it is closed, another one takes over.
    const waiting = setTimeout(() => this.#enter("shared"), 500);
    const options = { signal: this.#stopping.signal };
    const held = navigator.locks.request(`countersign ${this.device.sid}`, options, () => {
      clearTimeout(waiting);
      this.#openStream();
      return new Promise((resolve) => this.#stopping.signal.addEventListener("abort", resolve));
    });
    await held.catch(() => clearTimeout(waiting));
  }

  #openStream() {
    if (this.#stopping.signal.aborted) return;
    if (this.state === "shared") this.#enter("asking");
    this.#stream = new Stream(this.device, {
      linked: () => {
        this.#enter("live");
        this.ask();
      },
      prompt: (frame) => this.#offered(frame.challenge_sid),
      lost: () => {
        if (this.state === "live") this.#enter("lost");
        this.ask();
      },
      refused: () => this.#refused(),
    });
  }

  async #offered(sid) {
    try {
      await this.#inbox.offer(this.device, sid);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** The stream is not for this factor: it is gone, or the server believes that it is reached in another way. */
  async #refused() {
    this.#stream.stop();
    this.#enter("lost");
    try {
      await this.device.redirect({ platform: "stream" });
      this.#openStream();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #verified() {
    const { account } = this.device;
    if (account.verified) return;
    await this.device.verify();
    account.verified = true;
    await saveAccount(account);
  }

  #tick() {
    this.#beat = Date.now();
    const isLooked = document.visibilityState === "visible";
    if (isLooked && this.state !== "live") this.ask();
  }

  #failed(error) {
    if (error instanceof Refused && error.isUnknownDevice) {
      this.#enter("unknown");
      this.stop();
    } else if (this.state !== "live") {
      this.#enter("lost");
    }
  }

  #enter(state) {
    if (state === this.state || this.#stopping.signal.aborted) return;
    this.state = state;
    this.#changed(this);
  }
}
