// The service worker, and Web Push.
//
// Every service has its own key for Web Push, and a browser accepts only one key for each registration of a worker. So each
// service has its own registration, under a path that serves nothing.

import { forget, sweep } from "./notifications.js";

const home = new URL("../", import.meta.url);
const page = new URL("../authenticator", home).pathname;
const worker = new URL("sw.js", home);
/** Timeout for the push service in milliseconds. An unreachable push service must not prevent an enrolment. */
const PATIENCE = 10_000;

const scripts = globalThis.trustedTypes?.createPolicy("countersign", { createScriptURL: () => worker.href });

function register(scope) {
  return navigator.serviceWorker.register(scripts?.createScriptURL("") ?? worker.href, { scope, type: "module" });
}

/** The worker that caches the page for when the server is unreachable. */
export async function registerWorker() {
  if ("serviceWorker" in navigator) await register(page);
}

/** Whether the person was not asked for the permission yet. */
export function canAskToNotify() {
  return "serviceWorker" in navigator && "Notification" in window && Notification.permission === "default";
}

/** Shows a notification while the page is hidden, as a push would. A worker that is being installed is waited for. */
export async function notifyElsewhere({ sid, message, device }) {
  if (!("serviceWorker" in navigator) || globalThis.Notification?.permission !== "granted") return;
  if (document.visibilityState === "visible") return;
  const { active } = await navigator.serviceWorker.ready;
  active.postMessage({ challenge_sid: sid, factor_sid: device.sid, message });
}

/** Closes the notifications of expired questions. */
export async function sweepNotifications() {
  if (globalThis.Notification?.permission !== "granted") return;
  for (const registration of await navigator.serviceWorker.getRegistrations()) await sweep(registration);
}

/** Closes the notifications of a finished question. */
export async function forgetNotifications(challengeSid) {
  if (globalThis.Notification?.permission !== "granted") return;
  for (const registration of await navigator.serviceWorker.getRegistrations()) await forget(registration, challengeSid);
}

function canPush() {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** The platform for prompts of a service: push if the person has allowed it, otherwise the stream. */
export async function bestTarget({ service, pushKey }) {
  if (!pushKey || !canPush()) return { platform: "stream" };
  try {
    if (Notification.permission !== "granted") return { platform: "stream" };
    return { platform: "webpush", subscription: await within(PATIENCE, subscribe(service, pushKey)) };
  } catch {
    return { platform: "stream" };
  }
}

/** The present platform, without asking the person: subscriptions and permissions can end. */
export async function presentTarget(service) {
  const registration = canPush() && (await navigator.serviceWorker.getRegistration(scopeOf(service)));
  const subscription = await registration?.pushManager?.getSubscription();
  return subscription ? { platform: "webpush", subscription: plain(subscription) } : { platform: "stream" };
}

async function subscribe(service, pushKey) {
  const registration = await register(scopeOf(service));
  await active(registration);
  const options = { userVisibleOnly: true, applicationServerKey: pushKey };
  return plain(await registration.pushManager.subscribe(options));
}

/** The subscription in the server's format. */
function plain(subscription) {
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint, keys: { p256dh: keys.p256dh, auth: keys.auth } };
}

function scopeOf(service) {
  return new URL(`push/${service}/`, home).pathname;
}

function active({ active, waiting, installing }) {
  if (active) return undefined;
  const coming = waiting ?? installing;
  return new Promise((resolve) => {
    coming.addEventListener("statechange", () => coming.state === "activated" && resolve());
  });
}

function within(milliseconds, promise) {
  const late = new Promise((_, reject) => setTimeout(() => reject(new Error("too late")), milliseconds));
  return Promise.race([promise, late]);
}
