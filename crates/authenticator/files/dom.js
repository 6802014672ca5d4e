// Helpers to create elements. Text is inserted only as text.
import { say } from "./words.js";

/** An element by its id. */
export function $(id) {
  return document.getElementById(id);
}

/** Creates an element. `on…` are listeners, all others are attributes. */
export function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) element.addEventListener(attribute.slice(2), value);
    else if (value !== false) element.setAttribute(attribute, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** One of the drawings at the top of the page. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

/**
 * Text of others, isolated: it cannot reorder the text around it, and invisible or reordering characters are visible. Its
 * language is unknown.
 */
export function foreign(text, attributes = {}) {
  return el("bdi", { lang: "", dir: "auto", ...attributes }, plain(text));
}

/** Characters without a shape, and those that change the direction of others. Joiners are kept, because emoji need them. */
const UNSEEN =
  /[\p{Cc}\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff0-\ufffb\u{e0000}-\u{e00ff}]/gu;

/** The text with a visible sign in place of each invisible character. */
export function plain(text) {
  return String(text ?? "").replace(UNSEEN, (sign) => (sign === "\n" || sign === "\t" ? " " : "\ufffd"));
}

const NOTICE_STAYS = 8_000;
const NOTICES = 3;

/**
 * Shows a notice at the edge of the page and announces it. Bad news stay until they are dismissed; other news stay while the
 * pointer or the focus is on them.
 */
export function notify(kind, ...words) {
  const said = el("span", {}, ...words);
  const close = el(
    "button",
    { type: "button", class: "quiet", "aria-label": say("dismiss", { message: said.textContent }) },
    icon("no"),
  );
  const notice = el("p", { class: `notice ${kind}` }, icon(kind), said, close);
  const notices = $("notices");
  const end = () => {
    notice.remove();
    if (notices.children.length === 0 && notices.matches(":popover-open")) notices.hidePopover();
  };
  close.addEventListener("click", end);
  if (kind !== "bad") {
    const goLater = () => setTimeout(() => (notice.matches(":hover, :focus-within") ? goLater() : end()), NOTICE_STAYS);
    goLater();
  }
  // Shown again, so that it lies above everything that was opened since.
  if (notices.matches(":popover-open")) notices.hidePopover();
  notices.showPopover();
  notices.append(notice);
  while (notices.children.length > NOTICES) notices.firstElementChild.remove();
}
