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

const CLOCK = new Intl.DateTimeFormat("en-GB", { timeStyle: "medium" });
const MINUTES = new Intl.DateTimeFormat("en-GB", { timeStyle: "short" });

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
    const isClock = "clock" in time.dataset;
    if (!isAgo && !isClock && !("zoned" in time.dataset)) continue;
    if (isAgo && time.dataset.exact !== exact) time.dataset.exact = exact;
    const text = isAgo ? ago(date) : isClock ? CLOCK.format(date) : zoned(date, time.dateTime);
    if (time.textContent !== text && !isSelected(time)) time.textContent = text;
  }
};

/** A label of a bar for every so many hours. */
const TICK_HOURS = 6;

/** Names the hours of bars and tables in the reader's zone. Where that differs from UTC by part of an hour, so do they. */
const dressHours = () => {
  for (const hours of document.querySelectorAll("[data-utc]")) {
    const { from, to, utc } = hours.dataset;
    const [begin, end] = [new Date(from), new Date(to)];
    const here = `${MINUTES.format(begin)} to ${MINUTES.format(end)}`;
    const named = (text) => (text.startsWith(utc) ? here + text.slice(utc.length) : text);
    for (const part of hours.querySelectorAll(".tip, .unseen, th")) {
      const text = named(part.textContent);
      if (part.textContent !== text && !isSelected(part)) part.textContent = text;
    }
    const link = hours.querySelector("[aria-label]");
    if (link && link.ariaLabel !== named(link.ariaLabel)) link.ariaLabel = named(link.ariaLabel);
    const tick = hours.querySelector(".hour");
    // At the edges a label would stick out.
    const isInside = hours.previousElementSibling && hours.nextElementSibling;
    const label = isInside && begin.getHours() % TICK_HOURS === 0 ? MINUTES.format(begin) : "";
    if (tick && tick.textContent !== label) tick.textContent = label;
  }
  for (const zone of document.querySelectorAll("[data-zone]")) {
    if (zone.textContent !== ZONE) zone.textContent = ZONE;
  }
};

byId("zone").textContent =
  new Date().getTimezoneOffset() === 0
    ? "Times are UTC, unless they say how long ago."
    : `Times are yours (${ZONE}), with UTC beside them.`;
const isElsewhere = (date) => date.getTimezoneOffset() !== 0;
const dressAll = () => {
  dress();
  if (isElsewhere(new Date())) dressHours();
};
dressAll();
setInterval(dressAll, 10_000);
document.addEventListener("htmx:afterSwap", dressAll);

// --- Times that are typed

/** A time as the server takes it without a zone: it is UTC. */
const WRITTEN = /^(\d{4}-\d\d-\d\d)(?:[ T](\d\d:\d\d(?::\d\d)?))?$/;
const two = (number) => String(number).padStart(2, "0");

/** The reader's own time as it is typed. */
const typed = (date) => {
  const clock = [date.getHours(), date.getMinutes(), ...(date.getSeconds() ? [date.getSeconds()] : [])];
  return `${ISO_DAY.format(date)} ${clock.map(two).join(":")}`;
};

/** What was written means this instant, in UTC or in the reader's zone; undefined if it says its zone, or is no time. */
const instant = (text, zone) => {
  const [, day, time] = text.trim().match(WRITTEN) ?? [];
  const date = day && new Date(`${day}T${time ?? "00:00"}${zone}`);
  return date && !Number.isNaN(date.getTime()) ? date : undefined;
};

// The fields hold the reader's time, and send UTC.
const times = [...document.querySelectorAll("input[data-time]")];
if (isElsewhere(new Date()) && times.length > 0) {
  for (const field of times) {
    const utc = instant(field.value, "Z") ?? (/(Z|[+-]\d\d:\d\d)$/.test(field.value) ? new Date(field.value) : undefined);
    if (utc && !Number.isNaN(utc.getTime())) field.value = typed(utc);
    const hint = byId(`${field.id}-hint`);
    hint.textContent = hint.textContent.replace("UTC", `Your time (${ZONE})`);
  }
  times[0].form.addEventListener("formdata", ({ formData }) => {
    for (const { name } of times) {
      const here = instant(formData.get(name), "");
      if (here) formData.set(name, here.toISOString().replace(/\.000Z$/, "Z"));
    }
  });
}

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
