// From an enrolment link to an account, in two taps: the link, and "Add this device".
import { nameOf } from "./accounts.js";
import { $, foreign, notify } from "./dom.js";
import { Device, Refused, Unreachable, enrol, server, serviceName } from "./protocol.js";
import { bestTarget } from "./push.js";
import { saveAccount } from "./store.js";

const NEW_LINK = "Ask the application for a new one.";

/** Messages for errors of the API: what they mean to the person, and what to do. */
const REFUSALS = {
  20104: `This link has expired: it is good for a few minutes only. ${NEW_LINK}`,
  60313: `This link was used already: each adds one device, once. ${NEW_LINK}`,
  60315: "There are twenty devices for this account already. Remove one of them first.",
  60326: "Too many devices were added to this account today. Try again tomorrow.",
  20005: "The application’s account is suspended at the server. Nothing can be added for now.",
  20403: `This link is not for the service that it names. ${NEW_LINK}`,
  20404: `The application that made this link is not here any more. ${NEW_LINK}`,
};
/** If an enrolment is lost, so is its key. The server deletes a device that never proved its key. */
const UNSURE =
  "The connection broke, and it is not known whether the device was added. Try again. If the link turns out to be used up, ask the application for a new one.";
const DAMAGED = `This link was damaged on its way. ${NEW_LINK}`;

/** The link, and the `name` of its service once the server has sent it. */
let link;

/**
 * Asks whether to enrol. `known` is an existing account of the same person on this device. The server names the service, and
 * the person cannot agree before.
 */
export function askToEnrol(asked, known) {
  link = asked;
  $("enrol-title").textContent = "Add this device?";
  $("enrol-text").replaceChildren(
    ...(known
      ? [
          "This device answers for this account already, as ",
          foreign(known.deviceName),
          ". Adding it again gives it a second key.",
        ]
      : ["Questions like “Is this login yours?” will appear here. Only this device can answer them."]),
  );
  $("enrol-identity").replaceChildren(foreign(link.identity));
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

/** Fetches the name of the link's service. */
async function introduce(asked) {
  busy(true, "Asking the server…");
  try {
    asked.name = await serviceName(asked);
    if (asked === link) $("enrol-title").replaceChildren("Answer for ", foreign(asked.name), " on this device?");
  } finally {
    if (asked === link) busy(false);
  }
}

/** `enrolled` is called with each new account. */
export function bindEnrol(enrolled) {
  $("enrol-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const asked = link;
    const isKnown = Boolean(asked.name);
    $("enrol-error").textContent = "";
    try {
      // A name that was not shown before needs a new decision.
      if (!isKnown) return await introduce(asked);
      busy(true, "Adding…");
      const account = await addDevice(asked, $("enrol-name").value.trim() || thisDevice());
      $("enrol").close();
      notify("good", "Done. This device now answers for ", foreign(nameOf(account)), ".");
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
  return account;
}

/** The reason why nothing was added, or may not have been: `isSent` if the request was sent. */
function reason(error, isSent = false) {
  if (error instanceof Unreachable) {
    if (error.isBusy) return "The server is busy. Nothing was added; try again in a moment.";
    return isSent ? UNSURE : "The server cannot be reached. Nothing was added; try again.";
  }
  if (!(error instanceof Refused)) {
    return "This browser cannot keep the key: its storage is switched off or full. Allow it for this site, and ask the application for a new link.";
  }
  return REFUSALS[error.code] ?? (error.status === 401 ? DAMAGED : `The server refused: ${error.message}`);
}

/** A used link needs no more input. */
function spend(is) {
  for (const id of ["enrol-go", "enrol-naming"]) $(id).hidden = is;
  $("enrol-cancel").textContent = is ? "Close" : "Cancel";
}

function busy(is, words) {
  $("enrol-go").disabled = is;
  $("enrol-go").textContent = is ? words : "Add this device";
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
  return `${browser ?? "Browser"} on ${system ?? "this device"}`;
}
