// The connection of an account: by push, by the stream while the page is open, or by polling while there is no stream.
import { Refused } from "./protocol.js";
import { presentTarget } from "./push.js";
import { saveAccount } from "./store.js";
import { Stream } from "./stream.js";

/** Interval of polling while the page is visible and there is no stream, in milliseconds. */
const ASKING = 15_000;
/** After this time without a timer, the device was asleep and the server has closed the stream. */
const SLEPT = 100_000;
/** A tab that does not get the lock of the stream within this time does not hold it. */
const HELD_ELSEWHERE = 500;
/** A stream that is rejected twice within this time is rejected for good. */
const REFUSED_AGAIN = 300_000;
/** Largest age of the history when the server is asked, in milliseconds. */
const HISTORY_AGES = 60_000;
/** Largest age of a service's name when the person returns to the page, in milliseconds. */
const NAME_AGES = 60_000;

/**
 * States: `connecting`; `live` (stream connected); `push` (Web Push is used too); `asking` (no stream, but the server answers);
 * `shared` (another tab holds the stream); `lost` (no answer, will be retried); `suspended` (the service's account is
 * suspended); `unknown` (the server does not know this device).
 */
export class Connection {
  state = "connecting";
  #inbox;
  #changed;
  #stream;
  #isLinked = false;
  #isElsewhere = false;
  /** Aborted when this tab no longer holds or wants the stream. */
  #holding;
  #asking;
  #again = false;
  #stopped = false;
  #refusedAt = 0;
  #namedAt = 0;
  /** How often the name was asked for. */
  #namings = 0;
  #recalledAt = 0;
  #beat = Date.now();
  #timer;

  constructor(device, inbox, changed) {
    this.device = device;
    this.#inbox = inbox;
    this.#changed = changed;
    this.#timer = setInterval(() => this.#tick(), ASKING);
    this.#open();
  }

  /** The network is back, or the person has returned. */
  async wake() {
    this.#notice();
    this.#stream?.wake();
    if (this.#isNameOld) this.rename();
    await this.#stillSubscribed();
    await this.ask();
  }

  /** Polls the pending challenges. One request at a time, and one more if it was requested meanwhile. */
  ask() {
    this.#again = true;
    this.#asking ??= this.#askAgain().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** Changes the platform for prompts. */
  async redirect(target) {
    await this.device.redirect(target);
    await saveAccount(this.device.account);
    this.#letGo();
    this.#enter("connecting");
    this.#open();
  }

  /** Applies the current name and logo of the service, and the current label of the account. */
  async rename() {
    this.#namedAt = Date.now();
    const naming = (this.#namings += 1);
    const { account } = this.device;
    try {
      const { name, logo, accountLabel } = await this.device.service();
      // An older response may come later.
      if (naming !== this.#namings) return;
      const shown = { name, logo, accountLabel };
      if (Object.keys(shown).every((part) => shown[part] === account[part]) || this.#stopped) return;
      Object.assign(account, shown);
      await saveAccount(account);
      this.#changed(this);
    } catch {
      // The next request reports the problem.
      this.#namedAt = 0;
    }
  }

  /** A request to the server failed. */
  failed(error) {
    const isRefused = error instanceof Refused;
    if (isRefused && error.isUnknownDevice) {
      this.#enter("unknown");
      this.stop();
      this.#inbox.drop(this.device, "removed");
    } else if (isRefused && error.isSuspended) {
      this.#enter("suspended");
    } else if (!this.#isLinked || navigator.onLine === false) {
      this.#enter("lost");
    }
  }

  get #isNameOld() {
    return Date.now() - this.#namedAt > NAME_AGES;
  }

  stop() {
    this.#stopped = true;
    clearInterval(this.#timer);
    this.#letGo();
  }

  async #open() {
    await this.#stillSubscribed();
    this.rename();
    await this.ask();
    if (!this.#stopped) this.#hold();
  }

  async #askAgain() {
    while (this.#again && !this.#stopped) {
      this.#again = false;
      try {
        await this.#verified();
        await this.#inbox.refresh(this.device);
        this.#reached();
        await this.#recall();
      } catch (error) {
        this.failed(error);
      }
    }
  }

  async #recall() {
    if (Date.now() - this.#recalledAt < HISTORY_AGES) return;
    this.#recalledAt = Date.now();
    await this.#inbox.recall(this.device);
  }

  /** The server answers. The new state depends on the other ways in which questions reach this page. */
  #reached() {
    if (this.device.account.platform === "webpush") this.#enter("push");
    else if (this.#isLinked) this.#enter("live");
    else this.#enter(this.#isElsewhere ? "shared" : "asking");
  }

  /** Connects the stream in one tab at a time. When that tab is closed, another one takes over. */
  #hold() {
    if (this.#holding) return;
    const { signal } = (this.#holding = new AbortController());
    const waiting = setTimeout(() => {
      this.#isElsewhere = true;
      if (this.state !== "lost" && this.state !== "suspended") this.#reached();
    }, HELD_ELSEWHERE);
    const held = () => {
      clearTimeout(waiting);
      this.#isElsewhere = false;
      this.#openStream();
      return new Promise((resolve) => signal.addEventListener("abort", resolve));
    };
    navigator.locks.request(`countersign ${this.device.sid}`, { signal }, held).catch(() => clearTimeout(waiting));
  }

  #letGo() {
    this.#holding?.abort();
    this.#holding = undefined;
    this.#isLinked = this.#isElsewhere = false;
    this.#stream?.stop();
    this.#stream = undefined;
  }

  #openStream() {
    if (this.state === "shared") this.#reached();
    this.#stream = new Stream(this.device, {
      linked: () => {
        this.#isLinked = true;
        this.#reached();
        if (this.#isNameOld) this.rename();
        this.ask();
      },
      prompt: (frame) => this.#offered(frame),
      ended: ({ challenge_sid: sid }) => this.#inbox.ended(sid).catch(() => {}),
      lost: () => {
        const was = this.#isLinked;
        this.#isLinked = false;
        if (was && this.state === "live") this.#enter("lost");
        this.ask();
      },
      refused: () => this.#refused(),
    });
  }

  async #offered({ challenge_sid: sid }) {
    try {
      await this.#inbox.offer(this.device, sid);
    } catch (error) {
      if (!(error instanceof Refused && error.isGone)) this.failed(error);
    }
  }

  /**
   * The server rejected the stream for this factor: the factor is deleted, or its platform is another one. Repairs it, but not
   * more often than once in a while; until then the server is polled.
   */
  async #refused() {
    const isNew = Date.now() - this.#refusedAt > REFUSED_AGAIN;
    this.#refusedAt = Date.now();
    this.#letGo();
    this.#enter("lost");
    if (!isNew) return this.ask();
    try {
      return await this.redirect(await presentTarget(this.device.account.serviceSid));
    } catch (error) {
      return this.failed(error);
    }
  }

  async #verified() {
    const { account } = this.device;
    if (account.verified) return;
    await this.device.verify();
    account.verified = true;
    await saveAccount(account);
  }

  /** A browser may end a subscription at any time. Prompts then use the stream again. */
  async #stillSubscribed() {
    const { account } = this.device;
    if (account.platform !== "webpush") return;
    const target = await presentTarget(account.serviceSid);
    if (target.subscription?.endpoint === account.endpoint) return;
    await this.redirect(target).catch((error) => this.failed(error));
  }

  /** Detects that the device was asleep, after which a stream may seem to be connected. */
  #notice() {
    if (Date.now() - this.#beat > SLEPT) this.#stream?.renew();
    this.#beat = Date.now();
  }

  #tick() {
    this.#notice();
    const isLooked = document.visibilityState === "visible";
    if (isLooked && !this.#isLinked) this.ask();
  }

  #enter(state) {
    if (state === this.state || this.#stopped) return;
    this.state = state;
    this.#changed(this);
  }
}
