// The service worker, and pushes through the browser's own push service.
//
// Every service has a key of its own for Web Push, and a browser subscribes each registration of a worker with one key
// only: so each service gets a registration, under a path that nothing is served at.

const home = new URL("../", import.meta.url);
const worker = new URL("sw.js", home);
/** A push service that cannot be reached must not keep anybody from enrolling, in milliseconds. */
const PATIENCE = 10_000;

const scripts = globalThis.trustedTypes?.createPolicy("countersign", { createScriptURL: () => worker.href });

function register(scope) {
  return navigator.serviceWorker.register(scripts?.createScriptURL("") ?? worker.href, { scope });
}

/** The worker that keeps the page for when the server is away, and shows notifications. */
export async function registerWorker() {
  if (!("serviceWorker" in navigator)) return;
  await register(new URL("../authenticator", home).pathname);
}

/** Whether this browser could be pushed to, if the person allows it. */
export function canPush() {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** Where prompts of a service go: by push if the browser and the person allow it, else over the stream. */
export async function bestTarget({ service, pushKey }) {
  if (!pushKey || !canPush()) return { platform: "stream" };
  try {
    if ((await Notification.requestPermission()) !== "granted") return { platform: "stream" };
    return { platform: "webpush", subscription: await within(PATIENCE, subscribe(service, pushKey)) };
  } catch {
    return { platform: "stream" };
  }
}

/** The subscription as it stands now, if there is one. */
export async function subscriptionOf(service) {
  const registration = await navigator.serviceWorker.getRegistration(scopeOf(service));
  return (await registration?.pushManager?.getSubscription())?.toJSON();
}

async function subscribe(service, pushKey) {
  const registration = await register(scopeOf(service));
  await active(registration);
  const subscription = await registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: pushKey });
  const { endpoint, keys } = subscription.toJSON();
  return { endpoint, keys };
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
