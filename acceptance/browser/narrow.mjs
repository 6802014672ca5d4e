// Windows in which even a short question does not fit beside its answers.

export const NARROW = {
  "at 400 % zoom": { viewport: { width: 320, height: 256 } },
  "in landscape": { viewport: { width: 640, height: 360 } },
  "with 200 % text": { viewport: { width: 360, height: 640 }, text: 2 },
  "with 200 % text in landscape": { viewport: { width: 740, height: 360 }, text: 2 },
};

/** Everything larger, as for people who read large text. */
export async function enlarge(page, text) {
  if (!text) return;
  await page.addInitScript((text) => {
    document.addEventListener("DOMContentLoaded", () => (document.documentElement.style.fontSize = `${text * 100}%`));
  }, text);
}
