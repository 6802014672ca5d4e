// The list of accounts, and the state of the page as a whole: whether questions can arrive, and if not, why and what to do.
import { $, el, foreign, icon, plain } from "./dom.js";
import { logoOf } from "./protocol.js";
import { say } from "./words.js";

/** The states of an account, with their colours. */
const STATES = {
  connecting: "",
  live: "good",
  push: "good",
  asking: "good",
  shared: "good",
  lost: "busy",
  offline: "busy",
  suspended: "bad",
  unknown: "bad",
};

/** The name of the account: the person's own, or the service's. */
export function nameOf(account) {
  return account.label || account.name || say("account.unnamed", { sid: account.serviceSid.slice(-6) });
}

/** The person's account with the service: its label, or the identity. */
export function holderOf(account) {
  return account.accountLabel || account.identity;
}

/** The displayed name of the account. */
export function accountName(account) {
  return foreign(nameOf(account), { class: "name" });
}

/** The logo of the service, or the first letter of the name on a colour. */
export function monogram(account, id) {
  const letter = letterOf(account, id);
  const src = logoOf(account);
  if (!src) return letter;
  const picture = el("img", { class: "monogram logo", src, alt: "", ...(id && { id }) });
  picture.addEventListener("error", () => picture.replaceWith(letter));
  return picture;
}

function letterOf(account, id) {
  const letter = Array.from(plain(nameOf(account)))[0].toUpperCase();
  const tint = Number.parseInt(account.factorSid.slice(-2), 16) % 6;
  return el("span", { class: `monogram tint-${tint}`, "aria-hidden": "true", ...(id && { id }) }, letter);
}

/** Shows the state of the device, which is that of its worst account. */
export function showStanding({ kind, words }) {
  const standing = $("standing");
  if (standing.textContent !== words) standing.textContent = words;
  standing.className = `standing ${kind}`;
}

/** Updates the list of accounts. Existing elements are kept, and with them the focus. */
export function showAccounts(connections, edit) {
  const known = new Map([...$("accounts-list").children].map((item) => [item.dataset.factor, item]));
  const items = connections.map((connection) => {
    const { device } = connection;
    const { account } = device;
    const item = known.get(device.sid) ?? newItem(account, () => edit(device.sid));
    const state = stateOf(connection);
    const kind = STATES[state];
    // The same person may have been added twice, with separate keys.
    const same = connections.filter((other) => titleOf(other.device.account) === titleOf(account)).length;
    const title = titleOf(account);
    const label =
      same > 1 ? say("account.edit_one", { title, sid: account.factorSid.slice(-4) }) : say("account.edit", { title });
    item.querySelector("button").setAttribute("aria-label", label);
    const [was, now] = [item.querySelector(".monogram"), monogram(account)];
    if (!was.isEqualNode(now)) was.replaceWith(now);
    item.querySelector(".name").replaceWith(accountName(account));
    item.querySelector(".row-more").replaceChildren(foreign(holderOf(account)));
    item.querySelector(".row-state").textContent = say(`state.${state}`);
    item.querySelector(".row-state").className = `row-state ${kind}`;
    return item;
  });
  $("accounts").hidden = items.length === 0;
  for (const item of known.values()) if (!items.includes(item)) item.remove();
  items.forEach((item, place) => {
    if ($("accounts-list").children[place] !== item)
      $("accounts-list").insertBefore(item, $("accounts-list").children[place]);
  });
}

function titleOf(account) {
  return `${plain(nameOf(account))}, ${plain(holderOf(account))}`;
}

function newItem(account, edit) {
  const text = el(
    "span",
    { class: "row-text" },
    accountName(account),
    el("span", { class: "row-more" }),
    el("span", { class: "row-state" }),
  );
  const button = el("button", { type: "button", class: "quiet", onclick: edit }, icon("edit"));
  return el("li", { class: "row", "data-factor": account.factorSid }, monogram(account), text, button);
}

/** The state of a connection for the person. Distinguishes an offline device from a server that does not answer. */
export function stateOf({ state }) {
  return state === "lost" && globalThis.navigator?.onLine === false ? "offline" : state;
}

const ASKED_HERE = ["live", "push", "asking", "shared"];

/**
 * Summarizes the connections: `{ kind, words }` for the top of the page, `{ title, text }` for its middle. Says that nothing is
 * waiting only if the server has just said so for all accounts that can be reached.
 */
export function outlook(connections) {
  const states = connections.map(stateOf);
  const has = (state) => states.includes(state);
  if (has("offline")) {
    return {
      kind: "busy",
      words: say("outlook.offline"),
      title: say("outlook.offline_title"),
      text: say("outlook.offline_text"),
    };
  }
  if (has("lost")) {
    return {
      kind: "busy",
      words: say("state.lost"),
      title: say("outlook.lost_title"),
      text: say("outlook.lost_text"),
    };
  }
  if (has("connecting")) {
    return { kind: "", words: say("state.connecting"), title: say("outlook.connecting_title"), text: "" };
  }
  if (states.some((state) => ASKED_HERE.includes(state)))
    return { kind: "good", words: say("outlook.connected"), title: say("outlook.nothing") };
  return {
    kind: "",
    words: "",
    title: say("outlook.nobody"),
    text: has("suspended") ? say("outlook.suspended") : say("outlook.removed"),
  };
}

/** The reason why questions arrive only while the page is open although the service can push, if the person can remove it. */
export function whyNoPush(connections) {
  const could = connections.some(
    ({ device, state }) => ASKED_HERE.includes(state) && state !== "push" && device.account.pushKey,
  );
  if (!could || globalThis.Notification?.permission !== "denied") return "";
  return say("outlook.blocked");
}
