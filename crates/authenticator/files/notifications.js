// Notifications of the operating system: their texts and their end. Browsers require one for every push, so a late, finished or
// unreadable push shows a quiet one that closes itself.
import { clock } from "./clock.js";
import { plain } from "./dom.js";
import { Device, Refused, isElsewhere, logoOf } from "./protocol.js";
import { account, mutedUntil } from "./store.js";
import { date, say } from "./words.js";

/** Time for the server to return the status of a question, after which the push itself is believed, in milliseconds. */
const PATIENCE = 2_500;
/** Time after which a notification without a question closes, in milliseconds. */
const QUIET_STAYS = 8_000;
/** Longest time that a worker stays alive to close a notification when its question expires, in milliseconds. */
const LONGEST_WATCH = 60_000;

const SIDS = { challenge_sid: /^YC[0-9a-f]{32}$/i, factor_sid: /^YF[0-9a-f]{32}$/i };

const TIME = { timeStyle: "short" };

/** The content of a push; `undefined` if it is not from this server. */
export function readPush(data) {
  try {
    const told = data.json();
    if (Object.entries(SIDS).every(([name, form]) => form.test(told[name]))) return told;
  } catch {
    // Not JSON, or empty.
  }
  return undefined;
}

/**
 * The status of a push's question: `{ standing, expiresAt }`. If the server does not answer, the content of the push is used.
 * `standing` is `pending`, `approved`, `denied`, `elsewhere`, `expired`, `withdrawn`, `removed`, or `late` (the push is too late, and the
 * server cannot be reached).
 */
export async function standingOf(told) {
  const kept = await account(told.factor_sid).catch(() => null);
  if (kept === undefined) return { standing: "removed" };
  const name = kept?.label || kept?.name;
  const logo = kept && logoOf(kept);
  try {
    const { challenge, needs } = await new Device(kept).challenge(told.challenge_sid, { patience: PATIENCE });
    const { status, details, expiration_date } = challenge;
    const { message, date, fields } = details;
    const expiresAt = Date.parse(expiration_date);
    const standing = isElsewhere(challenge) ? "elsewhere" : status;
    const { isQuiet } = needs;
    return { standing, isQuiet, logo, message, askedAt: Date.parse(date), expiresAt, name, place: placeIn(fields ?? []) };
  } catch (error) {
    if (error instanceof Refused && error.isUnknownDevice) return { standing: "removed" };
    if (error instanceof Refused && error.isGone) return { standing: "withdrawn" };
    const expiresAt = Date.parse(told.expires_at);
    return { standing: expiresAt <= clock.now() ? "late" : "pending", expiresAt, name, logo };
  }
}

/** Labels under which applications say from where somebody logs in. */
const PLACE = /^(place|location|ort|standort|lieu|lugar|ubicación|local|localização|المكان|الموقع)$/i;

function placeIn(fields) {
  return fields.find(({ label }) => PLACE.test(label.trim()));
}

/** The ends of a question that have a text. */
const OVER = ["approved", "denied", "elsewhere", "expired", "withdrawn", "removed", "late"];

/**
 * Runs `act` while no other page or worker shows or lists notifications: Chromium loses one that appears while it lists them.
 */
function alone(act) {
  return navigator.locks.request("notifications", act);
}

function display(registration, title, options) {
  return alone(() => registration.showNotification(title, options));
}

/** Shows a push if its question is still pending. Ends when the worker may stop. */
export async function show(registration, told, images) {
  if (!told) {
    await display(registration, say("outlook.nothing"), {
      ...quiet(images),
      body: say("notification.unreadable"),
      tag: "unreadable",
    });
    return vanish(registration, "unreadable", QUIET_STAYS);
  }
  const standing = await standingOf(told);
  const tag = told.challenge_sid;
  const message = plain(standing.message ?? told.message);
  const data = { challengeSid: told.challenge_sid, factorSid: told.factor_sid };
  if (OVER.includes(standing.standing)) {
    const words = say(`notification.${standing.standing}_text`);
    const body = message ? `${words}\n“${message}”` : words;
    await display(registration, say(`notification.${standing.standing}`), { ...quiet(images), body, tag, data });
    return vanish(registration, tag, QUIET_STAYS);
  }
  await display(registration, message || say("notification.waits"), {
    ...images,
    ...(standing.logo && { icon: standing.logo }),
    body: bodyOf(standing),
    dir: "auto",
    lang: "",
    tag,
    ...(standing.isQuiet || (await isSilent(told)) ? { silent: true } : { renotify: true, requireInteraction: true }),
    actions: [
      { action: "deny", title: say("prompt.deny") },
      { action: "review", title: say("notification.review") },
    ],
    // The time of expiry, which `sweep` reads.
    ...(standing.expiresAt && { timestamp: standing.expiresAt }),
    data,
  });
  const left = standing.expiresAt - clock.now();
  return left <= LONGEST_WATCH ? vanish(registration, tag, left) : undefined;
}

/** The service that asked, the time, and the end of the challenge, as far as they are known. */
function bodyOf({ name, askedAt, expiresAt, place }) {
  const asked = askedAt ? "notification.asked_at" : "notification.asked";
  const who = name ? say(asked, { name: plain(name), time: askedAt && date(askedAt, TIME) }) : "";
  const what = expiresAt ? say("notification.answer_until", { time: date(expiresAt, TIME) }) : say("notification.answer");
  const where = place && say("notification.place", { label: plain(place.label), value: plain(place.value) });
  return [who, where, what].filter(Boolean).join(" ");
}

/** Whether a question makes no sound: the server says so, or the person has muted them. */
async function isSilent(told) {
  return told.quiet === true || (await mutedUntil().catch(() => 0)) > Date.now();
}

/** Denies by the action of a notification, without a page. */
export async function deny(registration, { challengeSid, factorSid }, images) {
  const kept = await account(factorSid);
  try {
    if (kept) await new Device(kept).answer(challengeSid, "denied", { reason: "cancelled" });
  } catch {
    const data = { challengeSid, factorSid };
    const told = { ...images, body: say("notification.not_denied_text"), dir: "auto", lang: "", tag: challengeSid, data };
    await display(registration, say("notification.not_denied"), told);
  }
}

function quiet(images) {
  return { ...images, dir: "auto", lang: "", silent: true, requireInteraction: false };
}

async function vanish(registration, tag, milliseconds) {
  await new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
  await forget(registration, tag);
}

/** Closes the notifications of a question. */
export async function forget(registration, tag) {
  for (const notification of await alone(() => registration.getNotifications({ tag }))) notification.close();
}

/** Closes the notifications of expired questions. */
export async function sweep(registration) {
  for (const notification of await alone(() => registration.getNotifications())) {
    if (notification.actions.length > 0 && notification.timestamp <= clock.now()) notification.close();
  }
}
