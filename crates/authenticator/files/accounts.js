// The accounts: how each is reached, and what can truly be said of the page as a whole: whether anything can be asked here, and
// if not, why and what to do.
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

/** The text by which the account goes here: the person's own, or the service's name. */
export function nameOf(account) {
  return account.label || account.name || `Service ${account.serviceSid.slice(-6)}`;
}

/** What the account is called here. */
export function accountName(account) {
  return foreign(nameOf(account), { class: "name" });
}

/** Its first letter on a colour of its own. */
export function monogram(account, id) {
  const letter = Array.from(plain(nameOf(account)))[0].toUpperCase();
  const tint = Number.parseInt(account.factorSid.slice(-2), 16) % 6;
  return el("span", { class: `monogram tint-${tint}`, "aria-hidden": "true", ...(id && { id }) }, letter);
}

/** Shows how the device as a whole is doing: as well as its worst account. */
export function showStanding({ kind, words }) {
  const standing = $("standing");
  if (standing.textContent !== words) standing.textContent = words;
  standing.className = `standing ${kind}`;
}

/** Shows the accounts; an element that is there already is kept, and the focus with it. */
export function showAccounts(connections, edit) {
  const known = new Map([...$("accounts-list").children].map((item) => [item.dataset.factor, item]));
  const items = connections.map((connection) => {
    const { device } = connection;
    const { account } = device;
    const item = known.get(device.sid) ?? newItem(account, () => edit(device.sid));
    const [kind, words] = STATES[stateOf(connection)];
    // The same person may have been added twice, with a key for each.
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

/** The state of a connection, as the person should hear it: of those that get no answer, whether the device is offline. */
export function stateOf({ state }) {
  return state === "lost" && globalThis.navigator?.onLine === false ? "offline" : state;
}

const ASKED_HERE = ["live", "push", "asking", "shared"];

/**
 * Sums up the connections: `{ kind, words }` for the top of the page, `{ title, text }` for the middle of it. Nothing is said
 * to wait for nobody unless the server has just said so for all accounts that can be asked.
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

/** Why questions come only while the page is open although the service can push, if there is a reason that can be mended. */
export function whyNoPush(connections) {
  const could = connections.some(
    ({ device, state }) => ASKED_HERE.includes(state) && state !== "push" && device.account.pushKey,
  );
  if (!could || globalThis.Notification?.permission !== "denied") return "";
  return "Notifications are blocked for this page, so questions appear only while it is open. Allow them in the browser’s settings for this site.";
}
