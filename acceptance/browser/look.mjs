// Checks a page by axe's rules and for overflow, and takes a picture of it for people.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PICTURES = fileURLToPath(new URL("../../.cache/pictures/", import.meta.url));

/** All rules of axe, except those of WCAG's level AAA. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "experimental"];

export const DEVICES = {
  phone: { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true },
  desktop: { viewport: { width: 1040, height: 860 } },
};

/** Names that several usable buttons or links share. */
export async function shared(page) {
  return page.evaluate(() => {
    const top = [...document.querySelectorAll("dialog[open]")].at(-1);
    const all = (top ?? document).querySelectorAll("button, a[href]");
    const usable = [...all, ...(top ? document.querySelectorAll("#notices button") : [])].filter((one) =>
      one.checkVisibility(),
    );
    const names = usable.map((one) => (one.getAttribute("aria-label") ?? one.innerText).replace(/\s+/g, " ").trim());
    return names.filter((name, place) => name === "" || names.indexOf(name) !== place);
  });
}

/** How much wider than the window the page is, and the elements that make it so; "" if it fits. */
export function overhang(page) {
  return page.evaluate(() => {
    const over = document.documentElement.scrollWidth - innerWidth;
    if (over <= 0) return "";
    const all = [...document.querySelectorAll("body *")];
    // A text may be wider than its element.
    const end = (one) => one.getBoundingClientRect().left + Math.max(one.scrollWidth, one.offsetWidth ?? 0);
    const wide = all.filter((one) => one.checkVisibility() && end(one) > innerWidth);
    const inner = wide.filter((one) => !wide.some((other) => other !== one && one.contains(other)));
    const names = inner.map((one) => `${one.tagName.toLowerCase()}#${one.id}.${one.getAttribute("class")}`);
    return `${over} pixels too wide: ${names.slice(0, 5).join(", ")}`;
  });
}

/** Checks pages. */
export async function eye() {
  const axe = await readFile(AXE, "utf8");
  await mkdir(PICTURES, { recursive: true });

  /** No violation of axe's rules, nothing wider than the window. */
  return async function look(page, name) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate((runOnly) => globalThis.axe.run(document, { runOnly }), RULES);
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
    );
    assert.deepEqual(found, [], name);
    assert.equal(await overhang(page), "", name);
    await page.screenshot({ path: `${PICTURES}${name}.png`, animations: "disabled" });
  };
}
