// On every page: how long ago times were, buttons that copy, and the key that leads to the search.
"use strict";

document.documentElement.classList.add("scripted");

// --- Times

const AGO = new Intl.RelativeTimeFormat("en", { style: "short" });
const UNITS = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const HERE = new Intl.DateTimeFormat("en-GB", {
  dateStyle: "medium",
  timeStyle: "long",
});

const SHOWN = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const ZONE = HERE.resolvedOptions().timeZone;
const ISO_DAY = new Intl.DateTimeFormat("sv-SE");

/** The reader's time with UTC beside it, which has a date where that differs. */
const zoned = (date, machine) => {
  const [day, time] = [machine.slice(0, 10), machine.slice(11, 19)];
  if (date.getTimezoneOffset() === 0) return `${day} ${time}`;
  const utc = ISO_DAY.format(date) === day ? time : `${day} ${time}`;
  return `${SHOWN.format(date)} (${utc} UTC)`;
};

/** How long ago a time was, in its largest unit. */
const ago = (date) => {
  const seconds = Math.round((date - Date.now()) / 1_000);
  if (Math.abs(seconds) < 5) return "now";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  return AGO.format(Math.trunc(seconds / size), unit);
};

/** Adds the reader's own time to every time, and says of some how long ago they were. */
const dress = () => {
  for (const time of document.querySelectorAll("time[datetime]")) {
    const date = new Date(time.dateTime);
    const exact = `${HERE.format(date)} · ${time.dateTime.slice(0, -1).replace("T", " ")} UTC`;
    if (time.title !== exact) time.title = exact;
    const isAgo = "ago" in time.dataset;
    if (!isAgo && !("zoned" in time.dataset)) continue;
    if (isAgo && time.dataset.exact !== exact) time.dataset.exact = exact;
    const text = isAgo ? ago(date) : zoned(date, time.dateTime);
    if (time.textContent !== text && !isSelected(time)) time.textContent = text;
  }
};

byId("zone").textContent =
  new Date().getTimezoneOffset() === 0
    ? "Times are UTC, unless they say how long ago."
    : `Times are yours (${ZONE}), with UTC beside them.`;
dress();
setInterval(dress, 10_000);
document.addEventListener("htmx:afterSwap", dress);

// --- Buttons that copy

const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Only pages with https may use the clipboard so; others select the text for the person.
    return false;
  }
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-copy-of]");
  if (!button) return;
  const source = button.dataset.copyOf ? byId(button.dataset.copyOf) : button.previousElementSibling;
  const done = await copy(button.dataset.copy ?? source.textContent);
  if (!done) getSelection().selectAllChildren(source);
  const words = button.firstElementChild;
  words.textContent = done ? "Copied" : "Selected";
  setTimeout(() => (words.textContent = "Copy"), 2_000);
});

// --- The key that leads to the search

const SLASH = "countersign-console-slash";
const find = byId("find");

if (find) {
  const isOff = () => localStorage.getItem(SLASH) === "off";
  const show = () => {
    byId("slash").textContent = isOff() ? "Turn it on" : "Turn it off";
    byId("slash-line").hidden = false;
  };
  byId("slash").addEventListener("click", () => {
    localStorage.setItem(SLASH, isOff() ? "on" : "off");
    show();
  });
  document.addEventListener("keydown", (event) => {
    const isTyped = event.target.closest("input, select, textarea, [contenteditable]");
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyped || isOff()) return;
    event.preventDefault();
    find.focus();
    find.select();
  });
  show();
}
