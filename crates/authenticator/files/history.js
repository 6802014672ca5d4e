// The history of answers on this device.
import { $, el, foreign, icon } from "./dom.js";
import { answers, clearAnswers } from "./store.js";

const ENDS = {
  approved: ["yes", "good", "Approved"],
  denied: ["no", "bad", "Denied"],
  expired: ["time", "", "Expired"],
  withdrawn: ["time", "", "Withdrawn"],
  removed: ["time", "", "Device removed"],
  lapsed: ["time", "", "Time ran out"],
  unsure: ["time", "", "Not known yet"],
};
const SHOWN = 30;

const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });
const time = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

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
  const [drawing, kind, words] = ENDS[status];
  const isToday = day.format(at) === day.format(Date.now());
  const date = el("time", { datetime: new Date(at).toISOString() }, isToday ? time.format(at) : day.format(at));
  const text = el(
    "span",
    { class: "row-text" },
    foreign(message, { class: "row-title" }),
    el("span", { class: "row-more" }, name, " · ", date),
  );
  return el("li", { class: "row past" }, el("span", { class: `end ${kind}` }, icon(drawing), words), text);
}
