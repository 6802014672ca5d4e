// From an enrolment link to an account, in two taps: the link, and "Add this device".
import { holderOf, monogram, nameOf } from "./accounts.js";
import { $, foreign, notify } from "./dom.js";
import { needsInstallation } from "./install.js";
import { Device, Refused, Unreachable, enrol, server, serviceOf } from "./protocol.js";
import { bestTarget } from "./push.js";
import { saveAccount } from "./store.js";
import { prepareVerification } from "./verification.js";
import { say, tell } from "./words.js";

/** Errors of the API that have a text for the person: what they mean, and what to do. */
const REFUSALS = [20104, 60313, 60315, 60326, 20005, 20403, 20404];

/** The link, and what is `shown` of its service once the server has sent it. */
let link;

/**
 * Asks whether to enrol. `known` is an existing account of the same person on this device. The server names the service, and
 * the person cannot agree before.
 */
export function askToEnrol(asked, known) {
  link = asked;
  $("enrol-title").textContent = say("enrol.title");
  $("enrol-text").replaceChildren(
    ...(known ? tell("enrol.known", { device: foreign(known.deviceName) }) : tell("enrol.text")),
  );
  $("enrol-identity").replaceChildren();
  $("enrol-install").hidden = !needsInstallation();
  $("enrol-verification").hidden = $("enrol-monogram").hidden = true;
  $("enrol-server").textContent = server.host;
  $("enrol-name").value = thisDevice();
  $("enrol-error").textContent = "";
  spend(false);
  if (!$("enrol").open) $("enrol").showModal();
  $("enrol-title").focus();
  introduce(asked).catch((error) => {
    if (asked === link) $("enrol-error").textContent = reason(error);
  });
}

/** Fetches what is shown of the link's service. */
async function introduce(asked) {
  busy(true, say("enrol.asking"));
  try {
    asked.shown = await serviceOf(asked);
    if (asked !== link) return;
    $("enrol-title").replaceChildren(...tell("enrol.title_for", { name: foreign(asked.shown.name) }));
    $("enrol-identity").replaceChildren(foreign(holderOf(looks(asked))));
    $("enrol-verification").hidden = !asked.shown.verification;
    if (asked.shown.logo) $("enrol-monogram").replaceWith(monogram(looks(asked), "enrol-monogram"));
  } finally {
    if (asked === link) busy(false);
  }
}

/** The account that a link would add. */
function looks({ service, identity, shown }) {
  return { ...shown, identity, serviceSid: service, factorSid: service };
}

/** `enrolled` is called with each new account. */
export function bindEnrol(enrolled) {
  $("enrol-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = link;
    const isKnown = Boolean(asked.shown);
    $("enrol-error").textContent = "";
    try {
      // A name that was not shown before needs a new decision.
      if (!isKnown) return await introduce(asked);
      busy(true, say("enrol.adding"));
      const account = await addDevice(asked, $("enrol-name").value.trim() || thisDevice());
      $("enrol").close();
      notify("good", ...tell("enrol.done", { name: foreign(nameOf(account)) }));
      enrolled(account);
    } catch (error) {
      $("enrol-error").textContent = reason(error, isKnown);
      // The link cannot succeed anymore.
      if (error instanceof Refused) spend([401, 403, 404].includes(error.status));
    } finally {
      busy(false);
    }
  });
}

async function addDevice(asked, deviceName) {
  const target = await bestTarget(asked);
  const account = await enrol(asked, deviceName, target);
  // Stored before the proof: if the proof is lost, it is repeated at the next start.
  await saveAccount(account);
  navigator.storage?.persist?.();
  try {
    await new Device(account).verify();
    account.verified = true;
    await saveAccount(account);
  } catch {
    // The connection retries and reports the problem.
  }
  if (asked.shown.verification) await prepareVerification(account);
  return account;
}

/**
 * The reason why nothing was added, or may not have been: `isSent` if the request was sent. If an enrolment is lost, so is its key;
 * the server deletes a device that never proved its key.
 */
function reason(error, isSent = false) {
  if (error instanceof Unreachable) {
    if (error.isBusy) return say("enrol.busy");
    return say(isSent ? "enrol.unsure" : "enrol.unreachable");
  }
  if (!(error instanceof Refused)) {
    return say("enrol.no_storage");
  }
  if (REFUSALS.includes(error.code)) return say(`refusal.${error.code}`);
  return error.status === 401 ? say("enrol.damaged") : say("refused", { message: error.message });
}

/** A used link needs no more input. */
function spend(is) {
  for (const id of ["enrol-go", "enrol-naming"]) $(id).hidden = is;
  $("enrol-cancel").textContent = say(is ? "close" : "cancel");
}

function busy(is, words) {
  $("enrol-go").disabled = is;
  $("enrol-go").textContent = is ? words : say("enrol.go");
}

/** A name such as "Chrome on Android", which a person recognizes in a list of devices. */
function thisDevice() {
  const agent = navigator.userAgent;
  const find = (names) => Object.entries(names).find(([, sign]) => sign.test(agent))?.[0];
  const browser = find({ Edge: /Edg/, Firefox: /Firefox|FxiOS/, Chrome: /Chrom|CriOS/, Safari: /Safari/ });
  const system = find({
    iPhone: /iPhone/,
    iPad: /iPad/,
    Android: /Android/,
    Windows: /Windows/,
    Mac: /Mac OS/,
    ChromeOS: /CrOS/,
    Linux: /Linux/,
  });
  return say("enrol.this_device", { browser: browser ?? say("enrol.browser"), system: system ?? say("enrol.system") });
}
