// The dialog of a question: service, message, remaining time, and two buttons. Deny is enabled at once, Approve when everything
// that is signed was visible.
import { clock } from "./clock.js";
import { $, el, foreign, notify, plain } from "./dom.js";
import { accountName, holderOf, monogram } from "./accounts.js";
import { askAgain, askPresence, namePresence, typedNumber } from "./presence.js";
import { Refused, Unsure } from "./protocol.js";
import { Reading } from "./reading.js";
import { Unverified, verifyPerson } from "./verification.js";
import { ago, date, left, say, tell } from "./words.js";

/** A dialog may open under a finger or between two keys. Input within this time is ignored. */
const NOT_MEANT = 500;
/** Buttons that take a larger part of the window than this scroll with the question instead of covering it. */
const LARGE = 0.5;

const ENDS = {
  approved: "good",
  denied: "plain",
  reported: "plain",
  presence_failed: "bad",
  elsewhere: "plain",
  expired: "bad",
  withdrawn: "bad",
  removed: "bad",
  lapsed: "bad",
  unsure: "bad",
};

const DATE_TIME = { dateStyle: "medium", timeStyle: "long" };
const HOUR = { timeStyle: "medium" };

let paused = false;

/**
 * Whether the person has paused updates, for example because of a screen reader. New questions are then listed and do not open.
 */
export function isPaused() {
  return paused;
}

/** `changed` is called when the person pauses or resumes. A reload resumes, so that nobody misses questions unknowingly. */
export function bindPause(changed) {
  $("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").textContent = say(paused ? "pause.off" : "pause.on");
    document.body.classList.toggle("paused", paused);
    changed();
  });
}

/** Tries for a number. A choice of three has one, after which the challenge ends. */
const TRIES = 2;

/** Shows one prompt at a time, and never replaces it while it can be answered. */
export class PromptSheet {
  #inbox;
  #queue;
  #shown;
  #watching;
  #ticking;
  #reading;
  /** Prompts that the person wants to answer later. */
  #later = new Set();

  constructor(inbox, queue) {
    this.#inbox = inbox;
    this.#queue = queue;
    inbox.addEventListener("change", () => this.update());
    inbox.addEventListener("ended", ({ detail }) => announce(detail));
    inbox.addEventListener("unanswered", ({ detail }) => {
      if (detail === this.#shown) $("prompt-error").textContent = say("answer.lost");
      else notify("bad", ...tell("answer.lost_of", { message: foreign(detail.message) }));
    });
    $("approve").addEventListener("click", () => this.#approve());
    $("deny").addEventListener("click", () => this.#answer("denied", { reason: "cancelled" }));
    $("prompt-not-me").addEventListener("click", () => this.#askWhether());
    $("not-me-go").addEventListener("click", () => {
      $("not-me").close();
      this.#answer("denied", { reason: "not_me" });
    });
    $("prompt-number").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#approve();
    });
    $("prompt-next").addEventListener("click", () => this.#reading?.next());
    $("prompt-later").addEventListener("click", () => $("prompt").close());
    $("prompt").addEventListener("close", () => this.#closed());
    new ResizeObserver(fit).observe($("prompt-answers"));
    window.addEventListener("resize", fit);
  }

  /** Shows the prompt that the person selected. */
  open(sid) {
    const prompt = this.#inbox.prompts.find((prompt) => prompt.sid === sid);
    if (!prompt || prompt === this.#shown) return;
    this.#later.delete(sid);
    this.#show(prompt);
  }

  /** Shows the prompt of a push, even if the person wanted to answer it later, but never over another one. */
  remind(sid) {
    this.#later.delete(sid);
    this.update();
  }

  /** Shows the next prompt and lists the others. */
  update() {
    const prompts = this.#inbox.prompts;
    if (this.#shown && !prompts.includes(this.#shown)) this.#hide();
    const isHeld = isPaused() || this.#queue.holds;
    const next = isHeld ? undefined : prompts.find(({ sid, isQuiet }) => !isQuiet && !this.#later.has(sid));
    if (!this.#shown && next) this.#show(next);
    this.#queue.show(prompts, this.#shown);
    document.title = prompts.length > 0 ? `(${prompts.length}) Countersign` : "Countersign";
  }

  /** Shows the current names of the accounts. */
  rename() {
    if (this.#shown) {
      name(this.#shown.device.account);
      namePresence(this.#shown.device.account);
    }
    this.#queue.show(this.#inbox.prompts, this.#shown);
  }

  #show(prompt) {
    this.#hide();
    this.#shown = prompt;
    fill(prompt);
    askPresence(prompt.presence, prompt.device.account, (number) => this.#approve(number));
    $("prompt-verification").hidden = !prompt.verification;
    this.#queue.show(this.#inbox.prompts, prompt);
    this.#tick();
    this.#ticking = setInterval(() => this.#tick(), 1_000);
    this.#watching = new AbortController();
    this.#inbox.watch(prompt, this.#watching.signal);
    guard();
    unread(true);
    $("prompt").showModal();
    fit();
    $("prompt").scrollTop = 0;
    const covers = [$("prompt-unread"), $("prompt-answers")];
    this.#reading = new Reading($("prompt"), $("prompt-text"), covers, () => this.#read());
    $("prompt-message").focus({ preventScroll: true });
  }

  #hide() {
    this.#shown = undefined;
    clearInterval(this.#ticking);
    this.#watching?.abort();
    this.#reading?.stop();
    for (const id of ["not-me", "prompt"]) if ($(id).open) $(id).close();
  }

  /** Closed by the person, by the button or Escape; or by the page, which may already show the next prompt. */
  #closed() {
    if (!this.#shown || $("prompt").open) return;
    this.#later.add(this.#shown.sid);
    this.#hide();
    this.update();
  }

  /** The whole question was visible: enables Approve. Earlier presses do not count. */
  #read() {
    const hadFocus = $("prompt-unread").contains(document.activeElement);
    unread(false);
    guard();
    if (hadFocus) $("prompt-message").focus({ preventScroll: true });
  }

  /** Says what a report does, and asks whether to send it. */
  #askWhether() {
    $("not-me-text").replaceChildren(...tell("not_me.text", { name: accountName(this.#shown.device.account) }));
    $("not-me").showModal();
    $("not-me-title").focus();
  }

  /** `number` is the one that was picked. */
  #approve(number) {
    if (!this.#reading?.isOver) return $("prompt-next").focus();
    const typed = this.#shown.presence?.mode === "number" ? typedNumber() : number;
    if (this.#shown.presence && !typed) return undefined;
    return this.#answer("approved", typed && { presence_answer: typed });
  }

  async #answer(status, more) {
    const prompt = this.#shown;
    if (!prompt || prompt.answering) return;
    $("prompt-error").textContent = "";
    busy(true);
    try {
      const isVerified = status === "approved" && prompt.verification;
      if (isVerified) await verifyPerson(prompt.device.account);
      const wrong = prompt.wrong;
      await this.#inbox.answer(prompt, status, { ...more, ...(isVerified && { user_verified: true }) }).catch((error) => {
        if (prompt.wrong === wrong) throw error;
        if (prompt === this.#shown) askAgain(TRIES - prompt.wrong);
      });
    } catch (error) {
      if (prompt === this.#shown) $("prompt-error").textContent = explain(error);
    } finally {
      // The next prompt, if already shown, has its own delay.
      if (prompt === this.#shown) busy(false);
    }
  }

  #tick() {
    const { createdAt, expiresAt } = this.#shown;
    const remaining = Math.max(0, expiresAt - clock.now());
    $("prompt-time").textContent = isPaused()
      ? say("prompt.until", { time: date(expiresAt, HOUR) })
      : say("prompt.valid", { left: left(remaining) });
    $("prompt-asked").textContent = isPaused()
      ? say("prompt.asked_at", { time: date(createdAt, HOUR) })
      : say("prompt.asked_ago", { ago: ago(clock.now() - createdAt) });
    if (!isPaused()) $("prompt-left").value = Math.min(1, remaining / (expiresAt - createdAt));
    $("prompt").classList.toggle("urgent", remaining < 30_000);
    if (remaining === 0) this.#inbox.sweep();
  }
}

function name(account) {
  $("prompt-monogram").replaceWith(monogram(account, "prompt-monogram"));
  const own = account.label && account.name && plain(account.label) !== plain(account.name);
  const who = { name: accountName(account), service: foreign(account.name) };
  $("prompt-who").replaceChildren(...tell(own ? "prompt.who_own" : "prompt.who", who));
}

function fill({ device, message, fields, date: asked }) {
  name(device.account);
  $("prompt-whom").replaceChildren(foreign(holderOf(device.account)));
  $("prompt-message").replaceChildren(foreign(message));
  const rows = fields.map(({ label, value }) =>
    el("div", {}, el("dt", {}, foreign(label)), el("dd", {}, foreign(value))),
  );
  const at = Date.parse(asked);
  if (at) {
    const time = el("time", { id: "prompt-date", datetime: asked }, date(at, DATE_TIME));
    rows.push(el("div", {}, el("dt", {}, say("prompt.asked")), el("dd", {}, time)));
  }
  $("prompt-fields").replaceChildren(...rows);
  $("prompt-error").textContent = "";
}

function unread(is) {
  $("prompt-unread").hidden = !is;
  for (const approve of $("prompt").querySelectorAll(".approve")) {
    if (is) {
      approve.setAttribute("aria-disabled", "true");
      approve.setAttribute("aria-describedby", "prompt-unread-text");
    } else {
      approve.removeAttribute("aria-disabled");
      approve.removeAttribute("aria-describedby");
    }
  }
}

/** Places the buttons at the foot of the dialog while there is room, otherwise at the end of the text. */
function fit() {
  if (!$("prompt").open) return;
  const isLarge = (id) => $(id).offsetHeight > LARGE * innerHeight;
  $("prompt").classList.toggle("tight", isLarge("prompt-answers"));
  $("prompt").classList.toggle("tiny", isLarge("prompt-unread"));
}

function busy(is) {
  for (const button of $("prompt-answers").querySelectorAll("button")) button.disabled = is;
  $("prompt").setAttribute("aria-busy", is);
}

let resting;

function guard() {
  busy(true);
  clearTimeout(resting);
  resting = setTimeout(() => busy(false), NOT_MEANT);
}

function announce({ prompt, status, here }) {
  if (isPaused() && !here) return;
  const kind = ENDS[status];
  const end = !here && ["approved", "denied"].includes(status) ? `${status}_elsewhere` : status;
  const words = tell(`ended.${end}`, { message: foreign(prompt.message) });
  notify(!here && kind === "good" ? "plain" : kind, ...words);
}

function explain(error) {
  if (error instanceof Unverified) {
    return say(error.isUnsupported ? "verification.unsupported" : "verification.failed");
  }
  if (error instanceof Refused) {
    return error.isSuspended ? say("answer.suspended") : say("answer.refused", { message: error.message });
  }
  if (error instanceof Unsure) {
    return say("answer.unsure");
  }
  if (error.isBusy) return say("answer.busy");
  return say(navigator.onLine === false ? "answer.offline" : "answer.unreachable");
}
