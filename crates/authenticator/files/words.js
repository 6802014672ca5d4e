// The texts of the page, in the language of the browser. Each language is one data file; no other file has text for people.

/** The languages, each a file. The first is used if the browser prefers none of them. */
export const LANGUAGES = ["en", "de", "fr", "es", "pt", "ar"];
const FROM_RIGHT = ["ar"];

let texts = {};
/** The browser's tag of the language, such as `en-GB`, for dates and numbers. */
let locale = LANGUAGES[0];
let language = LANGUAGES[0];

/** The URL of a language's file. */
export function fileOf(language) {
  return new URL(`languages/${language}.json`, import.meta.url).href;
}

/** The first of the wanted tags that has a file: `{ language, locale }`. */
export function choose(wanted) {
  for (const locale of wanted) {
    const language = locale.split("-")[0].toLowerCase();
    if (LANGUAGES.includes(language)) return { language, locale };
  }
  return { language: LANGUAGES[0], locale: LANGUAGES[0] };
}

/** Loads the texts, for the page or for the service worker. */
export async function learn() {
  const chosen = choose(globalThis.navigator?.languages ?? []);
  try {
    speak(chosen, await load(chosen.language));
  } catch {
    // Offline, after a change of the browser's language.
    speak(choose([]), await load(LANGUAGES[0]));
  }
}

/** Uses these texts. */
export function speak(chosen, loaded) {
  ({ language, locale } = chosen);
  texts = loaded;
}

/** Whether the texts run from the right. */
export function isFromRight() {
  return FROM_RIGHT.includes(language);
}

/** The tag of the language of the texts. */
export function tag() {
  return language;
}

/** The text of a key. `{name}` stands for the value of that name; `count` selects the plural. */
export function say(key, values = {}) {
  return tell(key, values).join("");
}

/** The text of a key in parts, so that values can be elements. */
export function tell(key, values = {}) {
  const text = texts[key];
  if (text === undefined) throw new Error(`no text ${key} in ${language}`);
  const form = typeof text === "string" ? text : text[plural().select(values.count)];
  const parts = form.split(/\{(\w+)\}/).map((part, place) => (place % 2 === 0 ? part : shown(values[part])));
  return parts.flat().filter((part) => part !== "");
}

/** Puts the texts into all elements that name one: at their end, and as their labels. */
export function fill(root) {
  root.documentElement.lang = language;
  root.documentElement.dir = isFromRight() ? "rtl" : "ltr";
  for (const element of root.querySelectorAll("[data-say]")) element.append(say(element.dataset.say));
  for (const element of root.querySelectorAll("[data-label]"))
    element.setAttribute("aria-label", say(element.dataset.label));
}

/** A number in the digits of the language. */
export function number(value, options) {
  return format("NumberFormat", options).format(value);
}

/** A date or time, as Intl.DateTimeFormat formats it. */
export function date(value, options) {
  return format("DateTimeFormat", options).format(value);
}

const AGES = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** How long ago something was, in its largest unit. */
export function ago(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1_000));
  const [unit, length] = AGES.find(([, length]) => seconds >= length) ?? AGES.at(-1);
  const options = { numeric: "always", style: "short" };
  return format("RelativeTimeFormat", options).format(-Math.floor(seconds / length), unit);
}

/** Minutes and seconds. */
export function left(milliseconds) {
  const seconds = Math.ceil(Math.max(0, milliseconds) / 1_000);
  const two = { minimumIntegerDigits: 2 };
  return `${number(Math.floor(seconds / 60))}:${number(seconds % 60, two)}`;
}

function plural() {
  return format("PluralRules");
}

function shown(value) {
  return typeof value === "number" ? number(value) : (value ?? "");
}

const formats = new Map();

/** A formatter of Intl; each is made once. */
function format(name, options = {}) {
  const key = `${name} ${locale} ${JSON.stringify(options)}`;
  if (!formats.has(key)) formats.set(key, new Intl[name](locale, options));
  return formats.get(key);
}

/** The worker's cache has the files when the server is unreachable. */
async function load(language) {
  const url = fileOf(language);
  const response = (await globalThis.caches?.match(url)) ?? (await fetch(url, { credentials: "omit" }));
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return response.json();
}
