// The history of answers on this device.
import { $, el, foreign, icon } from "./dom.js";
import { answers, clearAnswers } from "./store.js";
import { date, say } from "./words.js";

const ENDS = {
  approved: ["yes", "good"],
  denied: ["no", "bad"],
  reported: ["no", "bad"],
  presence_failed: ["no", "bad"],
  expired: ["time", ""],
  withdrawn: ["time", ""],
  removed: ["time", ""],
  lapsed: ["time", ""],
  unsure: ["time", ""],
};
const SHOWN = 30;

const DAY = { dateStyle: "medium" };
const TIME = { timeStyle: "short" };

export async function showHistory(nameOf) {
  const all = await answers();
  $("history").hidden = all.length === 0;
  $("history-list").replaceChildren(...all.slice(0, SHOWN).map((answer) => item(answer, nameOf(answer.factorSid))));
}

export function bindHistory(nameOf) {
  $("history-clear").addEventListener("click", async () => {
    await clearAnswers();
    await showHistory(nameOf);
  });
}

function item({ message, status, at }, name) {
  const [drawing, kind] = ENDS[status];
  const isToday = date(at, DAY) === date(Date.now(), DAY);
  const ended = el("time", { datetime: new Date(at).toISOString() }, date(at, isToday ? TIME : DAY));
  const text = el(
    "span",
    { class: "row-text" },
    foreign(message, { class: "row-title" }),
    el("span", { class: "row-more" }, name, " · ", ended),
  );
  return el("li", { class: "row past" }, el("span", { class: `end ${kind}` }, icon(drawing), say(`end.${status}`)), text);
}
