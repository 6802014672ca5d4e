// The list of accounts, and the state of the page as a whole: whether questions can arrive, and if not, why and what to do.
import { $, el, foreign, icon, plain } from "./dom.js";

const STATES = {
  connecting: ["", "Connecting…"],
  live: ["good", "Connected while this page is open"],
  push: ["good", "Notifications are on, also when this page is closed"],
  asking: ["good", "Checking every few seconds while this page is open"],
  shared: ["good", "Connected in another tab"],
  lost: ["busy", "Reconnecting…"],
  offline: ["busy", "This device is offline"],
  suspended: ["bad", "The application’s account is suspended at the server: it cannot ask anything for now."],
  unknown: [
    "bad",
    "The server does not know this device any more: it was removed there, and can neither be asked nor answer. Ask the application for a new link, or remove the account.",
  ],
};

/** The name of the account: the person's own, or the service's. */
export function nameOf(account) {
  return account.label || account.name || `Service ${account.serviceSid.slice(-6)}`;
}

/** The displayed name of the account. */
export function accountName(account) {
  return foreign(nameOf(account), { class: "name" });
}

/** The first letter of the name, on a colour derived from it. */
export function monogram(account, id) {
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
    const [kind, words] = STATES[stateOf(connection)];
    // The same person may have been added twice, with separate keys.
    const same = connections.filter((other) => titleOf(other.device.account) === titleOf(account)).length;
    const which = same > 1 ? `, device ${account.factorSid.slice(-4)}` : "";
    item.querySelector("button").setAttribute("aria-label", `Edit ${titleOf(account)}${which}`);
    item.querySelector(".monogram").replaceWith(monogram(account));
    item.querySelector(".name").replaceWith(accountName(account));
    item.querySelector(".row-more").replaceChildren(foreign(account.identity));
    item.querySelector(".row-state").textContent = words;
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
  return `${plain(nameOf(account))}, ${account.identity}`;
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
      words: "Offline",
      title: "You are offline",
      text: "Questions cannot reach this device now. Questions asked meanwhile appear as soon as it is online again.",
    };
  }
  if (has("lost")) {
    return {
      kind: "busy",
      words: "Reconnecting…",
      title: "The server cannot be reached",
      text: "Whether a question waits is not known. This page keeps trying, and shows it as soon as the server answers.",
    };
  }
  if (has("connecting")) return { kind: "", words: "Connecting…", title: "Looking for questions…", text: "" };
  if (states.some((state) => ASKED_HERE.includes(state)))
    return { kind: "good", words: "Connected", title: "Nothing to answer" };
  return {
    kind: "",
    words: "",
    title: "Nobody can ask you here",
    text: has("suspended")
      ? "The application’s account is suspended at the server. Your key is kept: questions come again when it is not any more."
      : "This device was removed at the server. Ask the application for a new enrolment link to be asked here again.",
  };
}

/** The reason why questions arrive only while the page is open although the service can push, if the person can remove it. */
export function whyNoPush(connections) {
  const could = connections.some(
    ({ device, state }) => ASKED_HERE.includes(state) && state !== "push" && device.account.pushKey,
  );
  if (!could || globalThis.Notification?.permission !== "denied") return "";
  return "Notifications are blocked for this page, so questions appear only while it is open. Allow them in the browser’s settings for this site.";
}
