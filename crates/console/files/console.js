// Says when the server does not answer: live parts of a page are read again in the background, and would stand still
// without a word. What was open stays open when a part is replaced.
"use strict";

const say = (text) => {
  const standing = document.getElementById("standing");
  if (standing.textContent !== text) standing.textContent = text;
};
const lost = () => say("The server does not answer. Reconnecting…");

for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) document.addEventListener(name, lost);
document.addEventListener("htmx:afterOnLoad", () => say(""));

// Where somebody is, and what they opened, outlives the replacement.
let before = { focus: null, open: [] };
document.addEventListener("htmx:beforeSwap", () => {
  before = {
    focus: document.activeElement?.id,
    open: [...document.querySelectorAll("details[open]")].map((it) => it.id),
  };
});
document.addEventListener("htmx:afterSwap", () => {
  for (const id of before.open) document.getElementById(id)?.setAttribute("open", "");
  if (before.focus) document.getElementById(before.focus)?.focus({ preventScroll: true });
});
