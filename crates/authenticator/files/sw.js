// The service worker, a module: caches the page for when the server is unreachable, and shows pushes.
import { deny, readPush, show } from "../authenticator/{version}/notifications.js";
import { LANGUAGES, choose, fileOf, learn } from "../authenticator/{version}/words.js";

const CACHE = "countersign {version}";
const HOME = new URL("../authenticator", self.location).href;
const FILES = "{files}".split(" ").map((name) => `${HOME}/{version}/${name}`);
/** Files that few people need, fetched when they are. */
const ON_DEMAND = /\/(languages\/|qr-)/;
const IMAGES = { icon: `${HOME}/{version}/icon-192.png`, badge: `${HOME}/{version}/badge.png` };

/** The loading of the texts. */
let learning;

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

/** A hidden page received a question over the stream. */
self.addEventListener("message", (event) => {
  event.waitUntil(told(event.data));
});

self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(event.action === "deny" ? denied(event.notification.data) : open(event.notification.data));
});

async function keep() {
  const cache = await caches.open(CACHE);
  const languages = new Set([LANGUAGES[0], choose(navigator.languages).language]);
  await cache.addAll([HOME, ...FILES.filter((url) => !ON_DEMAND.test(url)), ...[...languages].map(fileOf)]);
  await self.skipWaiting();
}

async function forgetOthers() {
  for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  await self.clients.claim();
}

/** The page is fetched from the server. The cached one is used if the server is unreachable. */
async function freshOrKept(request) {
  const fresh = await fetch(request).catch(() => undefined);
  if (fresh && fresh.status < 500) return fresh;
  return (await caches.match(HOME)) ?? fresh ?? Response.error();
}

async function keptOrFresh(request) {
  return (await caches.match(request)) ?? fetch(request);
}

/** A visible page shows the question itself; the notification is for hidden ones. */
async function pushed(data) {
  const asked = readPush(data);
  if (asked) {
    const { challenge_sid: challengeSid, factor_sid: factorSid } = asked;
    for (const page of await pages()) page.postMessage({ challengeSid, factorSid, isPushed: true });
  }
  await told(asked);
}

/** Shows a notification in the language of the browser. */
async function told(asked) {
  await known();
  await show(self.registration, asked, IMAGES);
}

/** Denies without opening a page. Open pages see the end as that of another device. */
async function denied(asked) {
  await known();
  await deny(self.registration, asked, IMAGES);
}

/** Loads the texts, once. A failed load is forgotten, and the next notification tries again. */
function known() {
  learning ??= learn().catch((error) => {
    learning = undefined;
    throw error;
  });
  return learning;
}

/** A notification without a question only opens the page. */
async function open(asked) {
  const [page] = await pages();
  if (page) {
    if (asked) page.postMessage(asked);
    await page.focus();
    return;
  }
  const wanted = asked && new URLSearchParams({ challenge: asked.challengeSid, factor: asked.factorSid });
  await self.clients.openWindow(wanted ? `${HOME}#${wanted}` : HOME);
}

async function pages() {
  const all = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  return all.filter((page) => page.url.replace(/[?#].*$/, "") === HOME);
}
