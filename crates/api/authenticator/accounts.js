// The list of accounts, and how each is reached.
import { $, el, foreign, icon, plain } from "./dom.js";

const STATES = {
  connecting: ["", "Connecting…"],
  live: ["good", "Connected while this page is open"],
  push: ["good", "Notifications are on, also when this page is closed"],
  asking: ["good", "Checking every few seconds while this page is open"],
  shared: ["good", "Connected in another tab"],
  lost: ["busy", "Reconnecting…"],
  unknown: [
    "bad",
    "The server does not know this device any more. Ask the application for a new link, or remove the account.",
  ],
};

/** What the account is called here. */
export function accountName(account) {
  return foreign(account.name || `Service ${account.serviceSid.slice(-6)}`, { class: "name" });
}

/** Its first letter on a colour of its own. */
export function monogram(account, id) {
  const letter = Array.from(account.name || "#")[0].toUpperCase();
  const tint = Number.parseInt(account.factorSid.slice(-2), 16) % 6;
  return el("span", { class: `monogram tint-${tint}`, "aria-hidden": "true", ...(id && { id }) }, letter);
}

/** How the device as a whole is doing: as well as its worst account. */
export function showStanding(connections) {
  const states = connections.map((connection) => connection.state);
  const [kind, words] = states.includes("lost")
    ? ["busy", "Reconnecting…"]
    : states.includes("connecting")
      ? ["", "Connecting…"]
      : states.some((state) => state !== "unknown")
        ? ["good", "Connected"]
        : ["", ""];
  const standing = $("standing");
  if (standing.textContent !== words) standing.textContent = words;
  standing.className = `standing ${kind}`;
}

/** Shows the accounts; an element that is there already is kept, and the focus with it. */
export function showAccounts(connections, edit) {
  const known = new Map([...$("accounts-list").children].map((item) => [item.dataset.factor, item]));
  const items = connections.map(({ device, state }) => {
    const { account } = device;
    const item = known.get(device.sid) ?? newItem(account, () => edit(device.sid));
    const [kind, words] = STATES[state];
    item.querySelector("button").setAttribute("aria-label", `Edit ${plain(account.name || account.identity)}`);
    item.querySelector(".monogram").replaceWith(monogram(account));
    item.querySelector(".name").replaceWith(accountName(account));
    item.querySelector(".row-more").replaceChildren(foreign(account.identity));
    item.querySelector(".row-state").textContent = words;
    item.querySelector(".row-state").className = `row-state ${kind}`;
    return item;
  });
  $("accounts").hidden = items.length === 0;
  for (const item of $("accounts-list").children) if (!items.includes(item)) item.remove();
  items.forEach((item, place) => {
    if ($("accounts-list").children[place] !== item)
      $("accounts-list").insertBefore(item, $("accounts-list").children[place]);
  });
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
