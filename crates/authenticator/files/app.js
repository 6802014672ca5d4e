// Wiring of all parts.
import { accountName, outlook, showAccounts, showStanding, whyNoPush } from "./accounts.js";
import { bindAdd } from "./add.js";
import { Connection } from "./connection.js";
import { $, el, foreign, notify } from "./dom.js";
import { bindEdit, edit } from "./edit.js";
import { askToEnrol, bindEnrol } from "./enrol.js";
import { bindHistory, showHistory } from "./history.js";
import { Inbox } from "./inbox.js";
import { askToNotify, bindInstall, needsInstallation, rememberLink } from "./install.js";
import { readLink } from "./link.js";
import { PromptSheet, bindPause, isPaused } from "./prompt.js";
import { Queue } from "./queue.js";
import { Device, Refused, isElsewhere, server } from "./protocol.js";
import {
  bestTarget,
  canAskToNotify,
  forgetNotifications,
  notifyElsewhere,
  registerWorker,
  sweepNotifications,
} from "./push.js";
import { accounts, removeAccount } from "./store.js";
import { fill, learn, say, tell } from "./words.js";

/** Remembers outside of the database that it contains an account, so that its loss can be reported. */
const HAD_ACCOUNTS = "countersign.had-accounts";

const inbox = new Inbox();
const queue = new Queue(inbox, {
  open: (sid) => sheet.open(sid),
  changed: (isOwn) => {
    sheet.update();
    if (isOwn) tabs.postMessage("muted");
  },
});
const sheet = new PromptSheet(inbox, queue);
const connections = new Map();
/** Channel to the other tabs, for changes of accounts and history. */
const tabs = new BroadcastChannel("countersign");

function connect(account) {
  localStorage.setItem(HAD_ACCOUNTS, "1");
  $("welcome-lost").hidden = true;
  const device = new Device(account);
  connections.set(device.sid, new Connection(device, inbox, show));
}

function show() {
  const all = [...connections.values()];
  const some = all.length > 0;
  $("starting").hidden = true;
  $("welcome").hidden = some;
  $("pause").hidden = !some;
  $("notify").hidden = !canAskToNotify() && !needsInstallation();
  $("ready").hidden = !some || inbox.prompts.length > 0;
  const seen = isPaused() ? paused() : outlook(all);
  $("ready-title").textContent = seen.title;
  $("ready-text").replaceChildren(...(seen.text === undefined ? nothingWaits(all) : [seen.text]));
  showStanding(seen);
  if (isPaused() && $("accounts-list").children.length === all.length) return;
  $("ready-push").textContent = whyNoPush(all);
  showAccounts(all, (sid) => edit(connections.get(sid).device));
  sheet.rename();
}

function paused() {
  return { kind: "", words: say("pause.title"), title: say("pause.title"), text: say("pause.text") };
}

function nothingWaits(all) {
  if (all.length !== 1) return tell("ready.text");
  return tell("ready.text_one", { name: accountName(all[0].device.account) });
}

function nameOf(factorSid) {
  const account = connections.get(factorSid)?.device.account;
  return account ? accountName(account) : el("span", {}, say("account.removed"));
}

function trouble(what) {
  $("trouble-title").textContent = say(`trouble.${what}_title`);
  $("trouble-text").textContent = say(`trouble.${what}_text`);
  $("trouble").hidden = false;
}

/** Handles the fragment of the URL and removes it at once, so that no token stays in the history. */
function readAddress() {
  const fragment = location.hash;
  if (fragment.length < 2) return;
  history.replaceState(null, "", location.pathname);
  const told = new URLSearchParams(fragment.slice(1));
  if (told.has("challenge")) openChallenge({ factorSid: told.get("factor"), challengeSid: told.get("challenge") });
  else {
    rememberLink(new URL(fragment, location.href).href);
    meetLink(readLink(fragment));
  }
}

function meetLink(link) {
  $("trouble").hidden = !link.faults;
  if (link.faults) {
    trouble("link");
    return;
  }
  const all = [...connections.values()].map(({ device }) => device.account);
  askToEnrol(
    link,
    all.find(({ serviceSid, identity }) => serviceSid === link.service && identity === link.identity),
  );
}

/** Opens what a notification is about. If the question of a push that has just arrived is over, this is no error. */
async function openChallenge({ factorSid, challengeSid, isPushed }) {
  const connection = connections.get(factorSid);
  if (!connection) {
    trouble("key_gone");
    return;
  }
  try {
    const challenge = await inbox.offer(connection.device, challengeSid);
    if (isPushed) sheet.remind(challengeSid);
    else sheet.open(challengeSid);
    if (challenge.status !== "pending") tellEnd(challenge, isPushed ? "plain" : "bad");
  } catch (error) {
    if (error instanceof Refused && error.isGone)
      notify(isPushed ? "plain" : "bad", say("over.withdrawn"));
    else if (error instanceof Refused) connection.failed(error);
    else if (!isPushed)
      notify("bad", say("over.unreachable"));
  }
}

function tellEnd(challenge, kind) {
  const end = isElsewhere(challenge) ? "elsewhere" : challenge.status;
  notify(kind, ...tell(`over.${end}`, { message: foreign(challenge.details.message) }));
}

/** Asks for the permission and switches all accounts to push that can use it. */
async function turnOnNotifications() {
  await Notification.requestPermission();
  for (const connection of connections.values()) {
    const { account } = connection.device;
    const target = await bestTarget({ service: account.serviceSid, pushKey: account.pushKey });
    if (target.platform !== account.platform) await connection.redirect(target).catch(() => {});
  }
  show();
}

/** The account stays visible until it is removed, because the page may be left before. */
async function removed(device) {
  connections.get(device.sid)?.stop();
  if (connections.size === 1) localStorage.removeItem(HAD_ACCOUNTS);
  await removeAccount(device.sid);
  connections.delete(device.sid);
  inbox.drop(device);
  tabs.postMessage("accounts");
  await refreshHistory();
  show();
}

/** Applies changes of accounts in another tab. */
async function reload() {
  const kept = await accounts();
  const sids = new Set(kept.map((account) => account.factorSid));
  for (const account of kept) {
    const known = connections.get(account.factorSid)?.device.account;
    if (known) Object.assign(known, account);
    else connect(account);
  }
  for (const [sid, connection] of connections) {
    if (sids.has(sid)) continue;
    connection.stop();
    connections.delete(sid);
    inbox.drop(connection.device);
  }
  await refreshHistory();
  show();
}

function refreshHistory() {
  return showHistory();
}

function wake() {
  if (document.visibilityState !== "visible") return;
  inbox.sweep();
  sweepNotifications();
  for (const connection of connections.values()) connection.wake();
}

function bind() {
  bindEnrol((account) => {
    connect(account);
    tabs.postMessage("accounts");
    show();
    if (account.pushKey && canAskToNotify()) askToNotify();
  });
  bindAdd(meetLink);
  bindHistory(nameOf);
  bindEdit(() => {
    tabs.postMessage("accounts");
    show();
    refreshHistory();
  }, removed);
  for (const button of document.querySelectorAll("[data-opens]")) {
    button.addEventListener("click", () => $(button.dataset.opens).showModal());
  }
  for (const button of document.querySelectorAll("[data-closes]")) {
    button.addEventListener("click", () => $(button.dataset.closes).close());
  }
  bindInstall(turnOnNotifications);
  bindPause(() => {
    show();
    sheet.update();
  });
  inbox.addEventListener("change", show);
  inbox.addEventListener("came", ({ detail }) => {
    if (!queue.isMuted && !detail.isQuiet) notifyElsewhere(detail);
    // The first message after a renaming may be a question.
    connections.get(detail.device.sid)?.rename();
  });
  inbox.addEventListener("gone", ({ detail }) => forgetNotifications(detail.sid));
  inbox.addEventListener("refused", ({ detail }) => connections.get(detail.device.sid)?.failed(detail.error));
  inbox.addEventListener("change", () => tabs.postMessage("inbox"));
  inbox.addEventListener("kept", refreshHistory);
  tabs.addEventListener("message", ({ data }) => {
    if (data === "accounts") reload();
    else if (data === "muted") queue.reload();
    else for (const connection of connections.values()) connection.ask();
  });
  for (const event of ["online", "pageshow", "focus"]) window.addEventListener(event, wake);
  window.addEventListener("offline", () => connections.forEach((connection) => connection.ask()));
  document.addEventListener("visibilitychange", wake);
  window.addEventListener("hashchange", readAddress);
  navigator.serviceWorker?.addEventListener("message", ({ data }) => openChallenge(data));
}

async function start() {
  fill(document);
  $("place").textContent = say("place", { server: server.host });
  if (!isSecureContext || !crypto.subtle) {
    $("starting").hidden = true;
    trouble("insecure");
    return;
  }
  $("welcome-lost").hidden = localStorage.getItem(HAD_ACCOUNTS) === null;
  try {
    // Before the first question can come.
    await queue.reload();
    for (const account of await accounts()) connect(account);
  } catch {
    $("starting").hidden = true;
    trouble("no_storage");
    return;
  }
  bind();
  show();
  readAddress();
  await refreshHistory();
  await registerWorker().catch(() => {});
}

await learn();
start();
