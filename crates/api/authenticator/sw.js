// The service worker: keeps the page for when the server is away, and shows what is pushed.
const CACHE = "countersign {version}";
const HOME = new URL("../authenticator", self.location).href;
const FILES = "{files}".split(" ").map((name) => `${HOME}/{version}/${name}`);

self.addEventListener("install", (event) => {
  event.waitUntil(keep());
});

self.addEventListener("activate", (event) => {
  event.waitUntil(forgetOthers());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET") return;
  const url = request.url.replace(/[?#].*$/, "");
  if (request.mode === "navigate" && url === HOME) event.respondWith(freshOrKept(request));
  else if (FILES.includes(url)) event.respondWith(keptOrFresh(request));
});

self.addEventListener("push", (event) => {
  event.waitUntil(pushed(event.data));
});

/** A page that nobody looks at heard of a question over the stream. */
self.addEventListener("message", (event) => {
  event.waitUntil(show(event.data));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(open(event.notification.data));
});

async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll([HOME, ...FILES]);
  await self.skipWaiting();
}

async function forgetOthers() {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  await self.clients.claim();
}

/** The page changes with the server; the kept one is for when there is none. */
async function freshOrKept(request) {
  const fresh = await fetch(request).catch(() => undefined);
  if (fresh && fresh.status < 500) return fresh;
  return (await caches.match(HOME)) ?? fresh ?? Response.error();
}

async function keptOrFresh(request) {
  return (await caches.match(request)) ?? fetch(request);
}

/** A page that is open shows the question itself, and the notification is for when nobody looks at it. */
async function pushed(data) {
  let told;
  try {
    told = data.json();
  } catch {
    told = {};
  }
  for (const page of await pages()) page.postMessage(question(told));
  await show(told);
}

function question(told) {
  return { challengeSid: told.challenge_sid, factorSid: told.factor_sid };
}

async function show(told) {
  await self.registration.showNotification(told.message || "A question waits for your answer", {
    body: "Tap to approve or deny.",
    tag: told.challenge_sid,
    renotify: Boolean(told.challenge_sid),
    requireInteraction: true,
    icon: `${HOME}/{version}/icon-192.png`,
    badge: `${HOME}/{version}/badge.png`,
    data: question(told),
  });
}

async function open(asked) {
  const [page] = await pages();
  if (page) {
    page.postMessage(asked);
    await page.focus();
    return;
  }
  const wanted = new URLSearchParams({ challenge: asked.challengeSid, factor: asked.factorSid });
  await self.clients.openWindow(`${HOME}#${wanted}`);
}

async function pages() {
  const all = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return all.filter((page) => page.url.replace(/[?#].*$/, "") === HOME);
}
