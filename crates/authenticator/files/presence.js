// The number that the application shows: typed, or picked from three. It proves that the person who approves looks at the application.
import { $, el } from "./dom.js";
import { accountName } from "./accounts.js";
import { say, tell } from "./words.js";

let shown;

/** Shows what the question needs: `{ mode: "number", digits }`, `{ mode: "pick", options }`, or nothing. `picked` gets the choice. */
export function askPresence(presence, account, picked) {
  shown = presence;
  const mode = presence?.mode;
  $("prompt-number").hidden = mode !== "number";
  $("prompt-pick").hidden = mode !== "pick";
  $("approve").hidden = mode === "pick";
  $("number").value = "";
  namePresence(account);
  if (mode === "number") $("number").maxLength = presence.digits;
  if (mode !== "pick") return;
  $("pick-options").replaceChildren(...presence.options.map((option) => choice(option, picked)));
}

/** Shows the current name of the account. */
export function namePresence(account) {
  $("number-label").replaceChildren(...tell("number.label", { name: accountName(account) }));
  $("pick-label").replaceChildren(...tell("pick.label", { name: accountName(account) }));
}

/** The typed number, in ASCII digits; `undefined` if it is not complete. Also says so. */
export function typedNumber() {
  const digits = $("number").value.trim().replace(/\p{Nd}/gu, ascii);
  if (digits.length === shown.digits && /^[0-9]+$/.test(digits)) return digits;
  $("prompt-error").textContent = say("number.missing", { count: shown.digits });
  $("number").focus();
  return undefined;
}

/** The number was wrong: asks again. */
export function askAgain(tries) {
  $("prompt-error").textContent = say("number.wrong", { count: tries });
  $("number").value = "";
  $("number").focus();
}

function choice(option, picked) {
  const label = say("pick.option", { number: option });
  return el("button", { type: "button", class: "verdict approve", "aria-label": label, onclick: () => picked(option) }, option);
}

/** Decimal digits of every script stand in blocks of ten, in order, the zero first. */
function ascii(digit) {
  const code = digit.codePointAt(0);
  let zero = code;
  while (code - zero < 9 && /\p{Nd}/u.test(String.fromCodePoint(zero - 1))) zero -= 1;
  return String(code - zero);
}
