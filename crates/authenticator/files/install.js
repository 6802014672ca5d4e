// How to be notified: the permission of the browser, and before it the installation, which an iPhone needs and Android is better with.
import { $, notify } from "./dom.js";
import { say } from "./words.js";

/** The enrolment link that was opened, for the installed page, which has a storage of its own. */
let link;
/** The browser's own offer to install the page, until it is used. */
let offer;

export function isInstalled() {
  return matchMedia("(display-mode: standalone)").matches || navigator.standalone === true;
}

/** An iPhone or iPad, which delivers pushes only to installed pages. An iPad says that it is a Mac. */
function isApple() {
  return /iPhone|iPad/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
}

/** Whether the page must be installed before it can be notified. */
export function needsInstallation() {
  return isApple() && !isInstalled();
}

/** Remembers an opened link, so that it can be copied into the installed page. */
export function rememberLink(address) {
  link = address;
  $("install-copy").hidden = !navigator.clipboard;
}

/** Explains what follows. `allow` asks the browser for the permission. */
export function bindInstall(allow) {
  window.addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = event;
    for (const id of ["install", "notify-install"]) $(id).hidden = false;
  });
  for (const id of ["install", "notify-install"]) $(id).addEventListener("click", install);
  $("notify").addEventListener("click", askToNotify);
  $("enrol-install").addEventListener("click", askToNotify);
  $("notify-go").addEventListener("click", () => {
    $("notify-sheet").close();
    allow();
  });
  $("install-copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(link);
    notify("good", say("install.copied"));
  });
}

/** Opens the explanation: on an iPhone the steps of the installation, elsewhere what the permission is for. */
export function askToNotify() {
  const sheet = needsInstallation() ? "install-sheet" : "notify-sheet";
  $("notify-android").hidden = isInstalled() || !/Android/.test(navigator.userAgent);
  $(sheet).showModal();
  $(sheet).querySelector("h2").focus();
}

/** The browser shows its own question, once. */
async function install() {
  for (const id of ["install", "notify-install"]) $(id).hidden = true;
  await offer?.prompt();
  offer = undefined;
}
