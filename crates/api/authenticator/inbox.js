// What waits for an answer. A prompt comes in by push, by stream or by asking, and leaves when it is answered, here or
// elsewhere, or has expired; which of these it was is told once.
import { clock } from "./clock.js";
import { Refused } from "./protocol.js";
import { keepAnswer } from "./store.js";

/** After a wait that was cut short or failed, in milliseconds. */
const PAUSE = 5_000;
const NO_WAIT = 1_000;

/** Somebody else was first (60322), or time was (60323). */
const TOO_LATE = [60322, 60323];

/**
 * Events: `change` when a prompt came or went; `came`, whose detail is the prompt; `ended` for each that went, whose detail
 * is `{ prompt, status, here }`: how it ended, and whether it was answered here; `kept` when the history has it.
 */
export class Inbox extends EventTarget {
  #prompts = new Map();

  /** The prompts, those that end first in front. */
  get prompts() {
    return [...this.#prompts.values()].sort((one, other) => one.expiresAt - other.expiresAt);
  }

  /** Reads one challenge, as its push asks for, and gives how it stands. */
  async offer(device, sid) {
    const { challenge } = await device.challenge(sid);
    await this.#take(device, challenge);
    return challenge;
  }

  /** Asks the server what waits, and what does not any more. */
  async refresh(device) {
    const pending = await device.pending();
    for (const challenge of pending) await this.#take(device, challenge);
    const listed = new Set(pending.map((challenge) => challenge.sid));
    const missing = this.prompts.filter((prompt) => prompt.device.sid === device.sid && !listed.has(prompt.sid));
    for (const prompt of missing) await this.#reread(prompt);
  }

  /** Follows a prompt until it ends or `signal` says that nobody looks at it any more. */
  async watch(prompt, signal) {
    while (!signal.aborted && this.#prompts.has(prompt.sid)) {
      const asked = performance.now();
      try {
        const challenge = await prompt.device.challengeOnceEnded(prompt.sid, signal);
        if (challenge.status !== "pending") return this.#settle(prompt, challenge);
        // A server that lets nobody wait any more answers at once.
        if (performance.now() - asked > NO_WAIT) continue;
      } catch {
        // The connection says so; here it is only tried again.
      }
      await pause(PAUSE, signal);
    }
  }

  /** Answers. Throws if the answer did not get to the server: then the prompt still waits. */
  async answer(prompt, status) {
    prompt.answering = true;
    try {
      const challenge = await prompt.device.answer(prompt.sid, status);
      await this.#end(prompt, challenge.status, challenge.status === status);
    } catch (error) {
      if (!(error instanceof Refused && TOO_LATE.includes(error.code))) throw error;
      prompt.answering = false;
      await this.#reread(prompt);
    } finally {
      prompt.answering = false;
    }
  }

  /** Forgets the prompts of a device that is no more. */
  drop(device) {
    for (const prompt of this.prompts.filter((prompt) => prompt.device.sid === device.sid)) this.#remove(prompt);
  }

  /** Ends what expired while timers stood still. */
  sweep() {
    for (const prompt of this.prompts) {
      if (prompt.expiresAt <= clock.now() && !prompt.answering) this.#end(prompt, "expired", false);
    }
  }

  async #take(device, challenge) {
    const known = this.#prompts.get(challenge.sid);
    if (known) return this.#settle(known, challenge);
    const prompt = {
      sid: challenge.sid,
      device,
      message: challenge.details.message,
      fields: challenge.details.fields ?? [],
      createdAt: Date.parse(challenge.date_created),
      expiresAt: Date.parse(challenge.expiration_date),
      answering: false,
    };
    if (challenge.status !== "pending" || prompt.expiresAt <= clock.now()) return undefined;
    prompt.timer = setTimeout(() => this.sweep(), prompt.expiresAt - clock.now());
    this.#prompts.set(prompt.sid, prompt);
    this.dispatchEvent(new Event("change"));
    this.dispatchEvent(new CustomEvent("came", { detail: prompt }));
    return undefined;
  }

  async #reread(prompt) {
    try {
      await this.#settle(prompt, (await prompt.device.challenge(prompt.sid)).challenge);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      await this.#end(prompt, "withdrawn", false);
    }
  }

  async #settle(prompt, challenge) {
    if (challenge.status !== "pending" && !prompt.answering) await this.#end(prompt, challenge.status, false);
  }

  async #end(prompt, status, here) {
    if (!this.#remove(prompt)) return;
    const { sid, device, message } = prompt;
    this.dispatchEvent(new CustomEvent("ended", { detail: { prompt, status, here } }));
    await keepAnswer({ challengeSid: sid, factorSid: device.sid, message, status, at: clock.now() });
    this.dispatchEvent(new Event("kept"));
  }

  #remove(prompt) {
    clearTimeout(prompt.timer);
    const was = this.#prompts.delete(prompt.sid);
    if (was) this.dispatchEvent(new Event("change"));
    return was;
  }
}

function pause(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
