// Checks a page by axe's rules and for overflow; with PICTURES=1 it also takes a picture of it for people.
import assert from "node:assert/strict";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { DENSITY, stands } from "./stage.mjs";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const PICTURES = fileURLToPath(new URL("../../.cache/pictures/", import.meta.url));

/** All rules of axe, except those of WCAG's level AAA. */
const RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice", "experimental"];

const COLOURS = ["light", "dark"];

/** Windows in their colours: what a page is looked at in, by name. Each window may have `text`, the size of all text. */
export function views(windows, colours = COLOURS) {
  return Object.fromEntries(
    Object.entries(windows).flatMap(([name, window]) =>
      (window.colours ?? colours).map((colorScheme) => [`${name}-${colorScheme}`, { ...window, colorScheme }]),
    ),
  );
}

/** A phone and a broad screen, in light and dark. */
export const FOUR = views({ phone: { width: 360, height: 740 }, broad: { width: 1440, height: 900 } });

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
  async function look(page, name) {
    const options = { runOnly: RULES, resultTypes: ["violations"] };
    const judge = () =>
      page.evaluate(async (options) => (await globalThis.axe?.run(document, options))?.violations, options);
    let violations = await judge();
    if (!violations) {
      // Once for each document: axe is quick only after it has run there.
      await page.evaluate(axe);
      violations = await judge();
    }
    const found = violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`,
    );
    assert.deepEqual(found, [], name);
    assert.equal(await overhang(page), "", name);
    if (DENSITY === 1) return;
    const scale = page.viewportSize().width < 400 ? "device" : "css";
    await page.screenshot({ path: `${PICTURES}${name}.png`, animations: "disabled", scale });
  }

  /**
   * Looks at one document in each of these views, and leaves it in the window that it had. A page decides by its style
   * sheets alone what it shows in a window, so loading it again for each would only take time.
   */
  async function around(page, name, views = FOUR, also = async () => {}) {
    const before = page.viewportSize();
    let size = "";
    for (const [view, { width, height, text = "", colorScheme, forcedColors }] of Object.entries(views)) {
      if (width !== page.viewportSize().width || height !== page.viewportSize().height)
        await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme, forcedColors: forcedColors ?? null });
      if (text !== size) await enlarge(page, text);
      size = text;
      await also();
      await stands(page);
      await look(page, `${name}-${view}`);
    }
    await page.setViewportSize(before);
    await page.emulateMedia({ colorScheme: null, forcedColors: null });
    if (size) await enlarge(page, "");
  }

  return Object.assign(look, { around });
}

/** Everything larger, as for people who read large text. */
function enlarge(page, text) {
  return page.evaluate((text) => (document.documentElement.style.fontSize = text), text);
}
