// The questions that wait: their list, muting, and denying all of them.
import { accountName, monogram } from "./accounts.js";
import { clock } from "./clock.js";
import { $, el, foreign, notify } from "./dom.js";
import { mutedUntil, muteUntil } from "./store.js";
import { date, say, tell } from "./words.js";

/** Duration of a mute in milliseconds. */
const MUTED_FOR = 15 * 60_000;
const HOUR = { timeStyle: "medium" };
const SHORT = { timeStyle: "short" };

export class Queue {
  #inbox;
  #changed;
  #open;
  #until = 0;
  #timer;
  /** All questions are being denied: none is shown meanwhile. */
  #isDenying = false;

  /** `open` shows a question; `changed` is called when a mute begins or ends, with `isOwn` once a change of this tab is stored. */
  constructor(inbox, { open, changed }) {
    this.#inbox = inbox;
    this.#open = open;
    this.#changed = changed;
    for (const id of ["mute", "prompt-mute"]) $(id).addEventListener("click", () => this.#toggle());
    for (const id of ["deny-all", "prompt-deny-all"]) $(id).addEventListener("click", () => this.#ask());
    $("deny-all-go").addEventListener("click", () => this.#denyAll());
  }

  /** Whether new questions are only listed. */
  get holds() {
    return this.#isDenying || this.isMuted;
  }

  get isMuted() {
    return this.#until > Date.now();
  }

  /** Reads the mute, which another tab may have changed. */
  async reload() {
    this.#set(await mutedUntil());
  }

  /** Lists the questions that are not shown. Existing elements are kept, and with them the focus. */
  show(prompts, shown) {
    const hidden = prompts.filter((prompt) => prompt !== shown);
    const list = $("waiting-list");
    const known = new Map([...list.children].map((row) => [row.dataset.challenge, row]));
    const rows = hidden.map((prompt) => known.get(prompt.sid) ?? this.#row(prompt));
    $("waiting").hidden = hidden.length === 0 && !this.isMuted;
    for (const row of known.values()) if (!rows.includes(row)) row.remove();
    rows.forEach((row, place) => {
      row.querySelector(".name").replaceWith(accountName(hidden[place].device.account));
      if (list.children[place] !== row) list.insertBefore(row, list.children[place]);
    });
    list.hidden = hidden.length === 0;
    $("deny-all").hidden = hidden.length === 0;
    $("mute").textContent = say(this.isMuted ? "queue.unmute" : "queue.mute");
    const muted = this.isMuted ? say("queue.muted", { time: date(this.#until, SHORT) }) : "";
    if ($("muted").textContent !== muted) $("muted").textContent = muted;
    const others = shown ? prompts.length - 1 : 0;
    $("prompt-others").hidden = others === 0;
    $("prompt-queue").textContent = others > 0 ? say("prompt.more", { count: others }) : "";
    $("prompt-mute").hidden = this.isMuted;
  }

  #row({ sid, device, message, createdAt }) {
    const asked = el("time", { datetime: new Date(createdAt).toISOString() }, date(createdAt, HOUR));
    const text = el(
      "span",
      { class: "row-text" },
      foreign(message, { class: "row-title" }),
      el("span", { class: "row-more" }, accountName(device.account), " · ", asked),
    );
    const open = el("button", { type: "button", class: "row", onclick: () => this.#open(sid) });
    open.append(monogram(device.account), text, el("span", { class: "row-do" }, say("waiting.answer")));
    return el("li", { "data-challenge": sid }, open);
  }

  async #toggle() {
    const until = this.isMuted ? 0 : Date.now() + MUTED_FOR;
    this.#set(until);
    await muteUntil(until);
    this.#changed(true);
  }

  #set(until) {
    this.#until = until;
    clearTimeout(this.#timer);
    if (this.isMuted) this.#timer = setTimeout(() => this.#changed(false), until - Date.now() + 1);
    this.#changed(false);
  }

  #ask() {
    $("deny-all-title").textContent = say("deny_all.title", { count: this.#inbox.prompts.length });
    $("deny-all-sheet").showModal();
    $("deny-all-title").focus();
  }

  /** Denies one after the other, those that expire first, first. */
  async #denyAll() {
    $("deny-all-sheet").close();
    this.#isDenying = true;
    let failed = 0;
    for (const prompt of this.#inbox.prompts) {
      if (prompt.expiresAt <= clock.now() || prompt.answering) continue;
      await this.#inbox.answer(prompt, "denied", { reason: "cancelled" }).catch(() => (failed += 1));
    }
    this.#isDenying = false;
    this.#changed(false);
    if (failed > 0) notify("bad", ...tell("deny_all.failed", { count: failed }));
  }
}
