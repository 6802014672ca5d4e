// Tracks whether all of a question was visible: every part of it, at its present size.

/** Tolerance for rounding, in pixels. */
const NEARLY = 2;

export class Reading {
  #scroller;
  #text;
  #covers;
  #done;
  /** Ranges of the text that were visible, in pixels from its top; disjoint and sorted. */
  #seen = [];
  #width = 0;
  #isOver = false;
  #look = () => this.#notice();
  #resized = new ResizeObserver(this.#look);

  /** `scroller` shows `text`, except where the elements of `covers` lie over its foot. `done` is called once. */
  constructor(scroller, text, covers, done) {
    this.#scroller = scroller;
    this.#text = text;
    this.#covers = covers;
    this.#done = done;
    scroller.addEventListener("scroll", this.#look, { passive: true });
    // While the dialog is animated, its position is not final.
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

  /** Scrolls to the first part that was not visible yet, with some context. */
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
    // After a change of layout, lines have other positions.
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

/** Merges ranges that touch. */
export function union(stretches) {
  const merged = [];
  for (const [from, to] of stretches.sort(([one], [other]) => one - other)) {
    const last = merged.at(-1);
    if (last && from <= last[1] + NEARLY) last[1] = Math.max(last[1], to);
    else merged.push([from, to]);
  }
  return merged;
}
