// Whether all of a question could be seen: every part of it was in view at some time, at the size at which it is shown now.

/** Rounding of half pixels. */
const NEARLY = 2;

export class Reading {
  #scroller;
  #text;
  #covers;
  #done;
  /** Stretches of the text that were in view, from its top, in pixels; apart and in order. */
  #seen = [];
  #width = 0;
  #isOver = false;
  #look = () => this.#notice();
  #resized = new ResizeObserver(this.#look);

  /** `scroller` shows `text` as far as the elements of `covers`, which stand below it, leave it free. `done` is called once. */
  constructor(scroller, text, covers, done) {
    this.#scroller = scroller;
    this.#text = text;
    this.#covers = covers;
    this.#done = done;
    scroller.addEventListener("scroll", this.#look, { passive: true });
    // While the sheet rises, it is elsewhere.
    scroller.addEventListener("animationend", this.#look);
    document.addEventListener("visibilitychange", this.#look);
    for (const box of [scroller, text]) this.#resized.observe(box);
  }

  get isOver() {
    return this.#isOver;
  }

  stop() {
    this.#scroller.removeEventListener("scroll", this.#look);
    this.#scroller.removeEventListener("animationend", this.#look);
    document.removeEventListener("visibilitychange", this.#look);
    this.#resized.disconnect();
  }

  /** Brings the first part into view that was not there yet, with a little of what stands before it. */
  next() {
    const [first] = this.#seen;
    const from = first && first[0] <= NEARLY ? first[1] : 0;
    const { top, height } = this.#view();
    const context = Math.min(48, height / 4);
    this.#scroller.scrollBy({ top: this.#text.getBoundingClientRect().top + from - context - top });
    this.#notice();
  }

  #view() {
    const box = this.#scroller.getBoundingClientRect();
    const covered = this.#covers.filter((one) => one.offsetHeight > 0).map((one) => one.getBoundingClientRect().top);
    const top = Math.max(0, box.top);
    return { top, height: Math.max(0, Math.min(box.bottom, innerHeight, ...covered) - top) };
  }

  #notice() {
    if (this.#isOver || document.visibilityState !== "visible") return;
    const box = this.#text.getBoundingClientRect();
    // Set anew, the lines stand elsewhere.
    if (Math.abs(box.width - this.#width) > NEARLY) this.#seen = [];
    this.#width = box.width;
    const { top, height } = this.#view();
    const from = Math.max(0, top - box.top);
    const to = Math.min(box.height, top + height - box.top);
    if (to <= from) return;
    this.#seen = union([...this.#seen, [from, to]]);
    const [[start, end]] = this.#seen;
    if (start > NEARLY || end < box.height - NEARLY) return;
    this.#isOver = true;
    this.stop();
    this.#done();
  }
}

/** Stretches that touch made one. */
export function union(stretches) {
  const merged = [];
  for (const [from, to] of stretches.sort(([one], [other]) => one - other)) {
    const last = merged.at(-1);
    if (last && from <= last[1] + NEARLY) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}
