// The history: what this device was asked and how it ended, also what nobody answered. It can be searched.
import { $, el, foreign, icon, plain } from "./dom.js";
import { answers, clearAnswers } from "./store.js";
import { date, say } from "./words.js";

const ENDS = {
  approved: ["yes", "good"],
  denied: ["no", "bad"],
  reported: ["no", "bad"],
  presence_failed: ["no", "bad"],
  expired: ["time", ""],
  withdrawn: ["time", ""],
  elsewhere: ["time", ""],
  removed: ["time", ""],
  lapsed: ["time", ""],
  unsure: ["time", ""],
};
/** The number of entries that are shown at first, and with each press of the button. */
const SHOWN = 30;
/** A history of at most this length needs no search. */
const SHORT = 5;

const DAY = { dateStyle: "medium" };
const TIME = { timeStyle: "short" };

let all = [];
let shown = SHOWN;
let nameOf;

export async function showHistory() {
  all = await answers();
  $("history").hidden = all.length === 0;
  $("history-find").hidden = all.length <= SHORT;
  render();
}

/** `name` returns the displayed name of a factor's account. */
export function bindHistory(name) {
  nameOf = name;
  $("history-clear").addEventListener("click", async () => {
    $("history-search").value = "";
    await clearAnswers();
    await showHistory();
  });
  $("history-search").addEventListener("input", () => {
    shown = SHOWN;
    render();
  });
  $("history-more").addEventListener("click", () => {
    shown += SHOWN;
    render();
  });
}

function render() {
  const wanted = $("history-find").hidden ? [] : words($("history-search").value);
  const items = all.map(item).filter((one) => {
    const text = words(one.textContent).join(" ");
    return wanted.every((word) => text.includes(word));
  });
  $("history-list").replaceChildren(...items.slice(0, shown));
  $("history-list").hidden = items.length === 0;
  $("history-none").textContent = items.length === 0 ? say("history.none") : "";
  $("history-more").hidden = items.length <= shown;
}

/** The words of a text without case and accents. */
function words(text) {
  const bare = text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  return bare.split(/\s+/).filter((word) => word !== "");
}

function item({ factorSid, message, status, at, fields = [] }) {
  const [drawing, kind] = ENDS[status] ?? ["time", ""];
  const isToday = date(at, DAY) === date(Date.now(), DAY);
  const day = isToday ? "" : `${date(at, DAY)}, `;
  const ended = el("time", { datetime: new Date(at).toISOString() }, day, date(at, TIME));
  const text = el(
    "span",
    { class: "row-text" },
    foreign(message, { class: "row-title" }),
    el("span", { class: "row-more" }, nameOf(factorSid), " · ", ended),
    ...fields.map(({ label, value }) => foreign(`${plain(label)}: ${plain(value)}`, { class: "row-more row-field" })),
  );
  return el("li", { class: "row past" }, el("span", { class: `end ${kind}` }, icon(drawing), say(`end.${status}`)), text);
}
