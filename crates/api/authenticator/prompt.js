// The sheet that asks: who, what, how long, and two buttons of equal reach.
import { clock } from "./clock.js";
import { $, el, foreign, notify } from "./dom.js";
import { accountName, monogram } from "./accounts.js";
import { Refused } from "./protocol.js";

/** A prompt may come up under a finger or between two keys: what was meant for something else is no answer. */
const NOT_MEANT = 500;

const ENDS = {
  approved: ["good", "Approved"],
  denied: ["plain", "Denied"],
  expired: ["bad", "Expired before it was answered"],
  withdrawn: ["bad", "Cannot be answered any more"],
};

/** Shows one prompt at a time, and never swaps it while it can be answered. */
export class PromptSheet {
  #inbox;
  #shown;
  #watching;
  #ticking;
  /** Prompts that the person wants to answer later. */
  #later = new Set();

  constructor(inbox) {
    this.#inbox = inbox;
    inbox.addEventListener("change", () => this.#update());
    inbox.addEventListener("ended", ({ detail }) => announce(detail));
    $("approve").addEventListener("click", () => this.#answer("approved"));
    $("deny").addEventListener("click", () => this.#answer("denied"));
    $("prompt-later").addEventListener("click", () => $("prompt").close());
    $("prompt").addEventListener("close", () => this.#closed());
  }

  /** Shows a certain prompt, which the person asked for. */
  open(sid) {
    const prompt = this.#inbox.prompts.find((prompt) => prompt.sid === sid);
    if (!prompt) return;
    this.#later.delete(sid);
    this.#show(prompt);
  }

  #update() {
    const prompts = this.#inbox.prompts;
    if (this.#shown && !prompts.includes(this.#shown)) this.#hide();
    const next = prompts.find((prompt) => !this.#later.has(prompt.sid));
    if (!this.#shown && next) this.#show(next);
    if (this.#shown) queue(prompts.length - 1);
    this.#showWaiting(prompts);
    document.title = prompts.length > 0 ? `(${prompts.length}) Countersign` : "Countersign";
  }

  #show(prompt) {
    this.#hide();
    this.#shown = prompt;
    fill(prompt);
    queue(this.#inbox.prompts.length - 1);
    this.#tick();
    this.#ticking = setInterval(() => this.#tick(), 1_000);
    this.#watching = new AbortController();
    this.#inbox.watch(prompt, this.#watching.signal);
    guard();
    $("prompt").showModal();
    $("prompt-message").focus();
  }

  #hide() {
    this.#shown = undefined;
    clearInterval(this.#ticking);
    this.#watching?.abort();
    if ($("prompt").open) $("prompt").close();
  }

  /** The person closed it, by the button or by Escape; or we did, and have opened it again for the next one since. */
  #closed() {
    if (!this.#shown || $("prompt").open) return;
    this.#later.add(this.#shown.sid);
    this.#hide();
    this.#update();
  }

  async #answer(status) {
    const prompt = this.#shown;
    if (!prompt || prompt.answering) return;
    $("prompt-error").textContent = "";
    busy(true);
    try {
      await this.#inbox.answer(prompt, status);
    } catch (error) {
      if (prompt === this.#shown) $("prompt-error").textContent = explain(error);
    } finally {
      // The next one, if it is shown already, has its own moment of rest.
      if (prompt === this.#shown) busy(false);
    }
  }

  #tick() {
    const { createdAt, expiresAt } = this.#shown;
    const left = Math.max(0, expiresAt - clock.now());
    const seconds = Math.ceil(left / 1_000);
    const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    $("prompt-time").textContent = `Valid for another ${time}`;
    $("prompt-left").value = Math.min(1, left / (expiresAt - createdAt));
    $("prompt").classList.toggle("urgent", left < 30_000);
    if (left === 0) this.#inbox.sweep();
  }

  #showWaiting(prompts) {
    const hidden = prompts.filter((prompt) => prompt !== this.#shown);
    $("waiting").hidden = hidden.length === 0;
    $("waiting-list").replaceChildren(
      ...hidden.map((prompt) => {
        const open = el("button", { type: "button", class: "row", onclick: () => this.open(prompt.sid) });
        open.append(
          monogram(prompt.device.account),
          el(
            "span",
            { class: "row-text" },
            foreign(prompt.message, { class: "row-title" }),
            el("span", { class: "row-more" }, accountName(prompt.device.account)),
          ),
          el("span", { class: "row-do" }, "Answer"),
        );
        return el("li", {}, open);
      }),
    );
  }
}

function fill({ device, message, fields }) {
  const { account } = device;
  $("prompt-monogram").replaceWith(monogram(account, "prompt-monogram"));
  $("prompt-who").replaceChildren(accountName(account), " asks");
  $("prompt-whom").replaceChildren(foreign(account.identity));
  $("prompt-message").replaceChildren(foreign(message));
  $("prompt-fields").replaceChildren(
    ...fields.map(({ label, value }) => el("div", {}, el("dt", {}, foreign(label)), el("dd", {}, foreign(value)))),
  );
  $("prompt-error").textContent = "";
}

function queue(others) {
  $("prompt-queue").textContent = others > 0 ? `${others} more waiting` : "";
}

function busy(is) {
  for (const id of ["approve", "deny", "prompt-later"]) $(id).disabled = is;
  $("prompt").setAttribute("aria-busy", is);
}

let resting;

function guard() {
  busy(true);
  clearTimeout(resting);
  resting = setTimeout(() => busy(false), NOT_MEANT);
}

function announce({ prompt, status, here }) {
  const [kind, words] = ENDS[status];
  const elsewhere = !here && ["approved", "denied"].includes(status) ? " elsewhere" : "";
  notify(here ? kind : "plain", `${words}${elsewhere}: `, foreign(prompt.message));
}

function explain(error) {
  if (error instanceof Refused) return `The server did not take the answer: ${error.message}`;
  return "The server cannot be reached, and your answer was not sent. Try again.";
}
