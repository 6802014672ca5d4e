// The device's data in IndexedDB: accounts with the handles of their keys, the history, and settings.
import { clock } from "./clock.js";

const NAME = "countersign";
const VERSION = 2;
/** Largest number of answers in the history. */
const ANSWERS_KEPT = 300;
/** Largest number of recalled answers that are completed at once. */
const COMPLETED = 20;

/** The open database, or its opening. */
let opening;

/** Opens the database, once. After a failure or its end the next call opens it again. */
function database() {
  opening ??= open().catch((error) => {
    opening = undefined;
    throw error;
  });
  return opening;
}

function open() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, VERSION);
    request.onupgradeneeded = ({ oldVersion }) => {
      if (oldVersion < 1) {
        request.result.createObjectStore("accounts", { keyPath: "factorSid" });
        request.result.createObjectStore("answers", { keyPath: "challengeSid" });
      }
      if (oldVersion < 2) request.result.createObjectStore("settings", { keyPath: "name" });
    };
    request.onsuccess = () => {
      // A newer page upgrades the database: this one must not block it.
      request.result.onversionchange = () => {
        request.result.close();
        opening = undefined;
      };
      // The browser has closed it, for example because the person deletes the data of sites.
      request.result.onclose = () => (opening = undefined);
      resolve(request.result);
    };
    request.onerror = () => reject(request.error);
  });
}

/** Begins a transaction. A database that was closed may not have said so yet: it is then opened again, once. */
async function begin(name, mode) {
  const opened = database();
  try {
    return (await opened).transaction(name, mode);
  } catch (error) {
    if (error.name !== "InvalidStateError") throw error;
    if (opening === opened) opening = undefined;
    return (await database()).transaction(name, mode);
  }
}

/** Runs one request on one of the stores and waits until it is written. */
async function run(name, mode, act) {
  const transaction = await begin(name, mode);
  const request = act(transaction.objectStore(name));
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve(request.result);
    transaction.onabort = () => reject(transaction.error);
  });
}

/** All accounts, oldest first. */
export async function accounts() {
  const all = await run("accounts", "readonly", (store) => store.getAll());
  return all.sort((one, other) => one.addedAt - other.addedAt);
}

/** An account, if it exists. */
export function account(factorSid) {
  return run("accounts", "readonly", (store) => store.get(factorSid));
}

export function saveAccount(account) {
  return run("accounts", "readwrite", (store) => store.put(account));
}

export async function removeAccount(factorSid) {
  await run("accounts", "readwrite", (store) => store.delete(factorSid));
  const gone = (await answers()).filter((answer) => answer.factorSid === factorSid);
  for (const answer of gone) await forgetAnswer(answer.challengeSid);
}

/** All answers, newest first. */
export async function answers() {
  const all = await run("answers", "readonly", (store) => store.getAll());
  return all.sort((one, other) => other.at - one.at);
}

export async function keepAnswer(answer) {
  await run("answers", "readwrite", (store) => store.put(answer));
  for (const old of (await answers()).slice(ANSWERS_KEPT)) await forgetAnswer(old.challengeSid);
}

/**
 * Adds to the history what the server knows and this device does not, unless it is older than the last clearing. Says if any.
 * `complete` adds what the list of the server does not tell, to the newest ones.
 */
export async function recallAnswers(told, complete) {
  const known = new Set((await answers()).map(({ challengeSid }) => challengeSid));
  const cleared = (await setting("cleared")) ?? 0;
  const added = told.filter(({ challengeSid, at }) => at > cleared && !known.has(challengeSid));
  for (const [place, answer] of added.entries()) await keepAnswer(place < COMPLETED ? await complete(answer) : answer);
  return added.length > 0;
}

export async function clearAnswers() {
  await keep("cleared", clock.now());
  return run("answers", "readwrite", (store) => store.clear());
}

export function forgetAnswer(challengeSid) {
  return run("answers", "readwrite", (store) => store.delete(challengeSid));
}

/** The time until which questions are only listed, in milliseconds of this device's clock. */
export async function mutedUntil() {
  return (await setting("muted")) ?? 0;
}

export function muteUntil(until) {
  return keep("muted", until);
}

async function setting(name) {
  return (await run("settings", "readonly", (store) => store.get(name)))?.value;
}

function keep(name, value) {
  return run("settings", "readwrite", (store) => store.put({ name, value }));
}
