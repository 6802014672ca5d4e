// Live pages: changes are merged into the page in the background and leave focused, selected and open elements alone. The
// person can pause updates. A notice tells when the server does not answer.
"use strict";

const byId = (id) => document.getElementById(id);

// --- Notice while the server does not answer

const say = (text) => {
  const standing = byId("standing");
  if (standing.textContent !== text) standing.textContent = text;
};
const lost = () => say("The server does not answer. Reconnecting…");

for (const name of ["htmx:sendError", "htmx:timeout", "htmx:responseError"]) document.addEventListener(name, lost);
document.addEventListener("htmx:afterOnLoad", () => say(""));

// --- Focus, selection and scroll position

const isSelected = (node) => {
  const selection = getSelection();
  return !selection.isCollapsed && selection.containsNode(node, true);
};

Object.assign(Idiomorph.defaults.callbacks, {
  beforeNodeMorphed: (node) => node.nodeType !== Node.TEXT_NODE || !isSelected(node),
  beforeNodeRemoved: (node) => !isSelected(node) && !node.contains(document.activeElement),
  beforeAttributeUpdated: (name, element) => name !== "open" || element.localName !== "details",
});

// The focused part, or else the first one in the window, keeps its place while parts above it change.
let anchor;
const topOf = (element) => element.getBoundingClientRect().top;

document.addEventListener("htmx:beforeSwap", () => {
  anchor = undefined;
  if (scrollY === 0) return;
  const isInWindow = (element) => {
    const { top, bottom } = element.getBoundingClientRect();
    return bottom > 0 && top < innerHeight;
  };
  const focused = document.activeElement?.closest("#live [id]");
  const parts = [...(focused ? [focused] : []), ...document.querySelectorAll("#live [id]")];
  const element = parts.find((part) => isInWindow(part) && topOf(part) >= 0) ?? parts.find(isInWindow);
  if (element) anchor = { element, top: topOf(element) };
});
document.addEventListener("htmx:afterSwap", () => {
  if (anchor?.element.isConnected) scrollBy({ top: topOf(anchor.element) - anchor.top, behavior: "instant" });
});

// --- Pausing updates in this tab

const HELD = "countersign-console-held";
const isHeld = () => sessionStorage.getItem(HELD) !== null;

const showPace = () => {
  const since = sessionStorage.getItem(HELD);
  byId("pace-words").textContent = since ? `Paused at ${since} UTC.` : "Updated every five seconds.";
  byId("hold").textContent = since ? "Resume live updates" : "Pause live updates";
  byId("pace").hidden = false;
};

document.addEventListener("htmx:beforeRequest", (event) => {
  if ((byId("pace") && isHeld()) || document.hidden) event.preventDefault();
});

if (byId("pace")) {
  byId("hold").addEventListener("click", () => {
    if (isHeld()) {
      sessionStorage.removeItem(HELD);
      htmx.trigger("#live", "resume");
    } else {
      sessionStorage.setItem(HELD, new Date().toISOString().slice(11, 19));
    }
    showPace();
  });
  showPace();
}
