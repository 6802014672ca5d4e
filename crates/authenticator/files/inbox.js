// The pending prompts. A prompt arrives by push, stream or polling. It ends when it is answered, here or elsewhere, or expires;
// each end is reported once, and as certain only if the server has confirmed it.
import { clock } from "./clock.js";
import { Refused, Unreachable, Unsure, isElsewhere } from "./protocol.js";
import { answers, forgetAnswer, keepAnswer, recallAnswers } from "./store.js";

/** Pause after an interrupted or failed wait, in milliseconds. */
const PAUSE = 5_000;
const NO_WAIT = 1_000;

/** Another device was first (60322), or the challenge expired (60323). */
const TOO_LATE = [60322, 60323];
/** The signature or the number is wrong. */
const WRONG = 60324;

/** Entries of the history whose end the server has not confirmed yet. */
const OPEN_ENDS = ["unsure", "lapsed"];

/**
 * A prompt ends as `approved`, `denied`, `reported` (denied as not caused by the person), `presence_failed` (denied because the
 * number was wrong), `elsewhere` (answered on another device), `expired` (these are confirmed by the server), `withdrawn` (the server
 * has no such challenge),
 * `removed` (the server does not know the device), `lapsed` (expired while the server could not be reached), or `unsure`
 * (likewise, while an answer was being sent).
 *
 * Events: `change` when a prompt arrived or ended; `came` and `gone`, with the prompt; `ended` with `{ prompt, status, here }`:
 * how it ended, and whether it was answered here; `unanswered` with a prompt that is still pending although an answer was sent;
 * `kept` when the history has changed; `refused` with `{ device, error }`.
 */
export class Inbox extends EventTarget {
  #prompts = new Map();

  /** The prompts, by time of expiry. */
  get prompts() {
    return [...this.#prompts.values()].sort((one, other) => one.expiresAt - other.expiresAt);
  }

  /** Fetches the challenge of a push and returns it. A quiet one is listed, and does not open by itself. */
  async offer(device, sid) {
    const { challenge, needs } = await device.challenge(sid);
    await this.#take(device, challenge, needs);
    return challenge;
  }

  /** The server says that a prompt is over: asks how. */
  async ended(sid) {
    const prompt = this.#prompts.get(sid);
    if (prompt) await this.#reread(prompt);
  }

  /** Fetches the pending challenges, and the status of answers that may have been lost. */
  async refresh(device) {
    const pending = await device.pending();
    for (const challenge of pending) {
      const known = this.#prompts.get(challenge.sid);
      if (known) await this.#settle(known, challenge);
      else await this.offer(device, challenge.sid);
    }
    const listed = new Set(pending.map((challenge) => challenge.sid));
    const missing = this.prompts.filter((prompt) => prompt.device.sid === device.sid && !listed.has(prompt.sid));
    for (const prompt of missing) await this.#reread(prompt);
    await this.#closeOpenEnds(device, listed);
  }

  /** Adds to the history what ended while this page was not open, answered or not. */
  async recall(device) {
    const ended = (await device.recent()).filter(({ status }) => status !== "pending");
    const told = ended.map((challenge) => ({
      challengeSid: challenge.sid,
      factorSid: device.sid,
      message: challenge.details.message,
      fields: challenge.details.fields ?? [],
      status: endedAs(challenge),
      at: Date.parse(challenge.date_responded ?? challenge.expiration_date),
    }));
    if (await recallAnswers(told, (answer) => howItEnded(device, answer))) this.dispatchEvent(new Event("kept"));
  }

  /** Waits until a prompt ends, or until `signal` is aborted because it is no longer shown. */
  async watch(prompt, signal) {
    while (!signal.aborted && this.#prompts.has(prompt.sid)) {
      const asked = performance.now();
      try {
        const challenge = await prompt.device.challengeOnceEnded(prompt.sid, signal);
        await this.#settle(prompt, challenge);
        // An overloaded server answers long polls at once.
        if (performance.now() - asked > NO_WAIT) continue;
      } catch {
        // The connection reports this; here it is only retried.
      }
      await pause(PAUSE, signal);
    }
  }

  /**
   * Answers. Throws if the prompt is still pending: `Unsure` if the answer may have arrived. An unconfirmed answer is looked up
   * and, if the server does not have it, sent again. `more` has further members to sign. After a wrong number the prompt has
   * `wrong`, the count of them.
   */
  async answer(prompt, status, more = {}) {
    prompt.answering = true;
    try {
      await this.#send(prompt, status, more);
    } catch (error) {
      if (error instanceof Refused) this.#tell("refused", { device: prompt.device, error });
      throw error;
    } finally {
      prompt.answering = false;
    }
  }

  /** Removes the prompts of a removed device. With a `status`, reports that they ended so. */
  async drop(device, status) {
    const own = this.prompts.filter((prompt) => prompt.device.sid === device.sid);
    for (const prompt of own) {
      if (status) await this.#end(prompt, status, false);
      else this.#remove(prompt);
    }
  }

  /** Ends prompts that expired while timers were stopped. */
  sweep() {
    for (const prompt of this.prompts) {
      if (prompt.expiresAt <= clock.now() && !prompt.answering) this.#lapse(prompt);
    }
  }

  async #send(prompt, status, more) {
    for (const isLast of [false, true]) {
      try {
        const challenge = await prompt.device.answer(prompt.sid, status, more);
        const isHere = challenge.status === status;
        const end = isHere && more.reason === "not_me" ? "reported" : endedAs(challenge);
        return await this.#end(prompt, end, isHere);
      } catch (error) {
        if (error instanceof Refused && TOO_LATE.includes(error.code)) return this.#lookUp(prompt, status);
        if (error.code === WRONG && more.presence_answer) return this.#wrong(prompt, error);
        if (!(error instanceof Unreachable)) throw error;
        if (error instanceof Unsure) await this.#noteSent(prompt, status);
        if (!prompt.sent) throw error;
        if (isLast || !(error instanceof Unsure)) return this.#lookUp(prompt, status);
      }
    }
    return undefined;
  }

  /** The number was wrong. Throws if there is another try. */
  async #wrong(prompt, error) {
    const { challenge } = await prompt.device.challenge(prompt.sid);
    prompt.wrong += 1;
    if (challenge.status === "pending") throw error;
    return this.#end(prompt, challenge.status === "denied" ? "presence_failed" : challenge.status, true);
  }

  /** There may already be an answer, perhaps this one. The server decides. */
  async #lookUp(prompt, status) {
    prompt.sent ??= status;
    prompt.answering = false;
    try {
      await this.#reread(prompt);
    } catch (error) {
      throw error instanceof Unreachable ? new Unsure("no word of the end", { cause: error }) : error;
    }
  }

  /** Stores that an answer may have arrived, so that it is known after a reload. */
  #noteSent(prompt, status) {
    prompt.sent = status;
    return this.#keep(prompt, "unsure");
  }

  async #take(device, challenge, { presence, verification, isQuiet }) {
    const known = this.#prompts.get(challenge.sid);
    if (known) return this.#settle(known, challenge);
    const { details } = challenge;
    const prompt = {
      sid: challenge.sid,
      device,
      message: details.message,
      fields: details.fields ?? [],
      date: details.date,
      createdAt: Date.parse(challenge.date_created),
      expiresAt: Date.parse(challenge.expiration_date),
      presence,
      verification,
      isQuiet,
      wrong: 0,
      answering: false,
      /** The answer, while it is unknown whether it arrived. */
      sent: undefined,
    };
    if (challenge.status !== "pending" || prompt.expiresAt <= clock.now()) return undefined;
    prompt.timer = setTimeout(() => this.sweep(), prompt.expiresAt - clock.now());
    this.#prompts.set(prompt.sid, prompt);
    this.dispatchEvent(new Event("change"));
    this.#tell("came", prompt);
    return undefined;
  }

  async #reread(prompt) {
    try {
      await this.#settle(prompt, (await prompt.device.challenge(prompt.sid)).challenge);
    } catch (error) {
      if (!(error instanceof Refused) || !error.isGone) throw error;
      await this.#end(prompt, "withdrawn", false);
    }
  }

  async #settle(prompt, challenge) {
    const { status } = challenge;
    if (prompt.answering) return;
    if (status !== "pending") {
      await this.#end(prompt, endedAs(challenge), status === prompt.sent);
    } else if (prompt.sent) {
      prompt.sent = undefined;
      await forgetAnswer(prompt.sid);
      this.dispatchEvent(new Event("kept"));
      this.#tell("unanswered", prompt);
    }
  }

  /** The prompt has expired. It disappears at once, and the server is asked how it ended. */
  async #lapse(prompt) {
    if (!this.#remove(prompt)) return;
    const ended = await endOf(prompt.device, prompt.sid).catch(() => undefined);
    const status = ended ?? (prompt.sent ? "unsure" : "lapsed");
    this.#tell("ended", { prompt, status, here: status === prompt.sent });
    await this.#keep(prompt, status);
  }

  async #end(prompt, status, here) {
    if (!this.#remove(prompt)) return;
    this.#tell("ended", { prompt, status, here });
    await this.#keep(prompt, status);
  }

  /** Fetches the end of prompts for which it is unknown. */
  async #closeOpenEnds(device, pending) {
    const isOpen = ({ factorSid, status }) => factorSid === device.sid && OPEN_ENDS.includes(status);
    for (const answer of (await answers()).filter(isOpen)) {
      if (this.#prompts.get(answer.challengeSid)?.sent) continue;
      const status = pending.has(answer.challengeSid) ? undefined : await endOf(device, answer.challengeSid);
      if (!status) {
        await forgetAnswer(answer.challengeSid);
        this.dispatchEvent(new Event("kept"));
        continue;
      }
      await keepAnswer({ ...answer, status, sent: undefined });
      this.dispatchEvent(new Event("kept"));
      const prompt = { sid: answer.challengeSid, device, message: answer.message };
      if (answer.sent) this.#tell("ended", { prompt, status, here: status === answer.sent });
    }
  }

  async #keep({ sid, device, message, fields, sent }, status) {
    const isOpen = OPEN_ENDS.includes(status);
    const at = clock.now();
    const kept = { challengeSid: sid, factorSid: device.sid, message, fields, status, at };
    await keepAnswer({ ...kept, ...(isOpen && { sent }) });
    this.dispatchEvent(new Event("kept"));
  }

  #remove(prompt) {
    clearTimeout(prompt.timer);
    const was = this.#prompts.delete(prompt.sid);
    if (was) {
      this.dispatchEvent(new Event("change"));
      this.#tell("gone", prompt);
    }
    return was;
  }

  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}

/** How a challenge ended. */
function endedAs(challenge) {
  return isElsewhere(challenge) ? "elsewhere" : challenge.status;
}

/** A list does not say that another device answered: a challenge that it calls expired is looked up. */
async function howItEnded(device, answer) {
  if (answer.status !== "expired") return answer;
  const status = await endOf(device, answer.challengeSid).catch(() => undefined);
  return { ...answer, status: status ?? answer.status };
}

/** The status of a challenge at the server; `undefined` while it is pending. */
async function endOf(device, sid) {
  try {
    const { challenge } = await device.challenge(sid);
    return challenge.status === "pending" ? undefined : endedAs(challenge);
  } catch (error) {
    if (error instanceof Refused && error.isGone) return "withdrawn";
    throw error;
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
