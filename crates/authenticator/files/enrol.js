// From an enrolment link to an account, in two taps: the link, and "Add this device".
import { nameOf } from "./accounts.js";
import { $, foreign, notify } from "./dom.js";
import { Device, Refused, Unreachable, enrol, server, serviceName } from "./protocol.js";
import { bestTarget } from "./push.js";
import { saveAccount } from "./store.js";

const NEW_LINK = "Ask the application for a new one.";

/** What a refusal means to the person, and what to do. */
const REFUSALS = {
  20104: `This link has expired: it is good for a few minutes only. ${NEW_LINK}`,
  60313: `This link was used already: each adds one device, once. ${NEW_LINK}`,
  60315: "There are twenty devices for this account already. Remove one of them first.",
  60326: "Too many devices were added to this account today. Try again tomorrow.",
  20005: "The application’s account is suspended at the server. Nothing can be added for now.",
  20403: `This link is not for the service that it names. ${NEW_LINK}`,
  20404: `The application that made this link is not here any more. ${NEW_LINK}`,
};
/** The key of a device whose enrolment was lost is lost with it; the server forgets a device that never proved its key. */
const UNSURE =
  "The connection broke, and it is not known whether the device was added. Try again. If the link turns out to be used up, ask the application for a new one.";
const DAMAGED = `This link was damaged on its way. ${NEW_LINK}`;

/** The link; once the server has said it, with the `name` of its service. */
let link;

/**
 * Asks whether to enrol. `known` is an account on this device for the same person, if there is one. Who would ask here is said
 * by the server, and there is nothing to agree to before that.
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

/** Has the server say whose link it is. */
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
      // With a name that was not there before, the person decides anew.
      if (!isKnown) return await introduce(asked);
      busy(true, "Adding…");
      const account = await addDevice(asked, $("enrol-name").value.trim() || thisDevice());
      $("enrol").close();
      notify("good", "Done. This device now answers for ", foreign(nameOf(account)), ".");
      enrolled(account);
    } catch (error) {
      $("enrol-error").textContent = reason(error, isKnown);
      // The same link will not do any better.
      if (error instanceof Refused) spend([401, 403, 404].includes(error.status));
    } finally {
      busy(false);
    }
  });
}

async function addDevice(asked, deviceName) {
  const target = await bestTarget(asked);
  const account = await enrol(asked, deviceName, target);
  // Kept before it is proved: should the proof be lost on its way, it is given at the next start.
  await saveAccount(account);
  navigator.storage?.persist?.();
  try {
    await new Device(account).verify();
    account.verified = true;
    await saveAccount(account);
  } catch {
    // The connection tries again, and says what is wrong.
  }
  return account;
}

/** Why nothing was added, or may not have been: `isSent` if that was asked for. */
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

/** A link that is of no use any more leaves nothing to fill in. */
function spend(is) {
  for (const id of ["enrol-go", "enrol-naming"]) $(id).hidden = is;
  $("enrol-cancel").textContent = is ? "Close" : "Cancel";
}

function busy(is, words) {
  $("enrol-go").disabled = is;
  $("enrol-go").textContent = is ? words : "Add this device";
}

/** Such as "Chrome on Android": what a person would recognise in a list of devices. */
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
