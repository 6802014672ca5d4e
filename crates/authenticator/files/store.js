// The device's data in IndexedDB: accounts with the handles of their keys, and the history.

const NAME = "countersign";
/** Largest number of answers in the history. */
const ANSWERS_KEPT = 100;

let opening;

function database() {
  opening ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("accounts", { keyPath: "factorSid" });
      request.result.createObjectStore("answers", { keyPath: "challengeSid" });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opening;
}

/** Runs one request on one of the two stores and waits until it is written. */
async function run(name, mode, act) {
  const transaction = (await database()).transaction(name, mode);
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

export function clearAnswers() {
  return run("answers", "readwrite", (store) => store.clear());
}

export function forgetAnswer(challengeSid) {
  return run("answers", "readwrite", (store) => store.delete(challengeSid));
}
