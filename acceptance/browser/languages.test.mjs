// The languages: each data file is complete, no other file has text, and every state of the page fits in every language.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { before, describe, test } from "node:test";
import { eye, shared } from "./look.mjs";
import { NARROW } from "./narrow.mjs";
import { Application, call, dismissAll, hold, stage, stands, visit } from "./stage.mjs";

const FILES = new URL("../../crates/authenticator/files/", import.meta.url);
const { LANGUAGES, ago, choose, left, say, speak, tell } = await import(new URL("words.js", FILES));

const read = (name) => readFile(new URL(name, FILES), "utf8");
const texts = Object.fromEntries(
  await Promise.all(LANGUAGES.map(async (language) => [language, JSON.parse(await read(`languages/${language}.json`))])),
);
const scripts = (await readdir(FILES)).filter((name) => name.endsWith(".js") && !name.includes(".min."));

/** The names in braces. */
function placeholders(text) {
  return [...new Set([...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name))].sort();
}

describe("the data files of languages", () => {
  test("are those that the page knows", async () => {
    const names = (await readdir(new URL("languages/", FILES))).map((name) => name.replace(".json", ""));
    assert.deepEqual(names.sort(), [...LANGUAGES].sort());
  });

  for (const language of LANGUAGES.filter((language) => language !== "en")) {
    test(`have the keys, plurals and placeholders of English: ${language}`, () => {
      assert.deepEqual(Object.keys(texts[language]).sort(), Object.keys(texts.en).sort());
      for (const [key, english] of Object.entries(texts.en)) {
        const text = texts[language][key];
        if (typeof english === "string") {
          assert.deepEqual(placeholders(text), placeholders(english), key);
          continue;
        }
        const { pluralCategories } = new Intl.PluralRules(language).resolvedOptions();
        for (const category of pluralCategories) assert.ok(text[category], `${key}: ${category}`);
        assert.ok(placeholders(text.other).every((name) => placeholders(english.other).includes(name)), key);
      }
    });
  }

  test("have every text that the page names", async () => {
    const code = (await Promise.all(scripts.map(read))).join("\n");
    const page = await read("index.html");
    const begun = [...code.matchAll(/(?:say|tell)\(`([a-z_]+\.)\$\{/g)].map(([, start]) => start);
    const direct = [...code.matchAll(/(?<![#.\w])(?:say|tell)\("([^"]+)"/g), ...page.matchAll(/data-(?:say|label)="([^"]+)"/g)];
    for (const [, key] of direct) assert.ok(key in texts.en, `there is no text ${key}`);
    for (const start of begun) assert.ok(Object.keys(texts.en).some((key) => key.startsWith(start)), start);
  });

  test("have all text: none is left in the page or its scripts", async () => {
    const page = (await read("index.html")).replace(/<noscript>.*?<\/noscript>|<head>.*?<\/head>/gs, "");
    const left = [...page.matchAll(/>([^<>]*\p{L}[^<>]*)</gu)].map(([, text]) => text.trim());
    assert.deepEqual(left, ["Countersign"], "the name of the program");
    assert.equal(/(aria-label|title|placeholder|alt)="/.test(page), false);
    for (const name of scripts) {
      const code = (await read(name)).replace(/^\s*(\/\/|\/?\*).*$/gm, "");
      // Sentences, except those of errors, which no person sees.
      const sentences = [...code.matchAll(/(?<!(?:Error|Unsure|Unreachable)\()["`]([A-Z][a-z’]+ [a-z][^"`]*)["`]/g)];
      assert.deepEqual(
        sentences.map(([, text]) => text),
        [],
        name,
      );
    }
  });

  test("are chosen by the first language of the browser that has one", () => {
    assert.deepEqual(choose(["nl", "pt-BR", "de"]), { language: "pt", locale: "pt-BR" });
    assert.deepEqual(choose(["AR-eg"]), { language: "ar", locale: "AR-eg" });
    assert.deepEqual(choose(["nl"]), { language: "en", locale: "en" });
    assert.deepEqual(choose([]), { language: "en", locale: "en" });
  });

  test("count, and say how long ago something was, by the rules of the language", () => {
    for (const [tag, few, past, remaining] of [
      ["en", "2 more waiting", "12 sec. ago", "1:05"],
      ["de", "2 weitere warten", "vor 12 Sek.", "1:05"],
      ["fr", "2 autres en attente", "il y a 12 s", "1:05"],
      ["ar-EG", "طلبان آخران ينتظران (٢)", "قبل ١٢ ثانية", "١:٠٥"],
    ]) {
      const chosen = choose([tag]);
      speak(chosen, texts[chosen.language]);
      assert.equal(say("prompt.more", { count: 2 }), few);
      assert.equal(ago(12_900).replace(/\s/g, " "), past.replace(/\s/g, " "));
      assert.equal(left(64_001), remaining);
    }
    assert.throws(() => say("no.such"), /no text no\.such/);
    speak(choose(["de"]), texts.de);
    assert.deepEqual(tell("prompt.who", { name: "Hafenbank" }), ["Hafenbank", " fragt"]);
  });
});

const WINDOWS = { "at 320 pixels": { viewport: { width: 320, height: 640 } }, ...NARROW };
/** The longest label, without a place to break it for a while. */
const LONG = "Sparkassenverband der Freien Hafenstadt Lissabon und Umlandes e.V.".slice(0, 64);
const LOGO = (await readFile(new URL("icon-192.png", FILES))).toString("base64");
const FIELDS = [
  ["Amount", "4,000.00 EUR"],
  ["To", "Ferry Lines Ltd., Rua das Flores 12, Lisbon"],
];

describe("in every language the page", () => {
  const scene = stage();
  let look;
  before(async () => {
    look = await eye();
  });

  for (const language of LANGUAGES) {
    test(`fits, has no barrier, and says its language and direction: ${language}`, async (t) => {
      const page = await visit(scene, t, { locale: language, reducedMotion: "reduce" });
      const words = texts[language];
      const button = (key) => page.getByRole("button", { name: words[key], exact: true }).filter({ visible: true });
      const app = await Application.create("Harbour Bank");
      t.after(() => app.remove());
      const person = app.person("sam-porter");

      /** The same state in every window: nothing is too wide. In one of them, axe looks too, in the light and in the dark. */
      const everywhere = async (state) => {
        let size = 1;
        for (const [name, { viewport, text = 1 }] of Object.entries(WINDOWS)) {
          await page.setViewportSize(viewport);
          if (text !== size) await page.evaluate((text) => (document.documentElement.style.fontSize = `${text * 100}%`), text);
          size = text;
          await stands(page);
          const wide = await page.evaluate(() =>
            [document.documentElement, ...document.querySelectorAll("dialog[open]")].map(
              (box) => box.scrollWidth - box.clientWidth,
            ),
          );
          assert.ok(
            wide.every((pixels) => pixels <= 0),
            `${state} ${name}: ${wide} pixels too wide`,
          );
        }
        await page.evaluate(() => (document.documentElement.style.fontSize = ""));
        await page.setViewportSize({ width: 360, height: 740 });
        await stands(page);
        for (const colorScheme of ["dark", "light"]) {
          await page.emulateMedia({ colorScheme });
          await look(page, `${language}-${state}-${colorScheme}`);
        }
        assert.deepEqual(await shared(page), [], `${state}: names of several buttons`);
      };

      await page.goto(page.home);
      await page.getByRole("heading", { name: words["welcome.title"] }).waitFor();
      assert.deepEqual(
        await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]),
        [language, language === "ar" ? "rtl" : "ltr"],
      );
      await everywhere("welcome");
      await page.goto(await person.link());
      await page.locator("#enrol-title").getByText("Harbour Bank").waitFor();
      await everywhere("enrol");
      await page.goto(await person.link());
      await page.locator("#enrol-title").getByText("Harbour Bank").waitFor();
      await button("enrol.go").click();
      await page.getByText(words["state.live"]).waitFor();
      await everywhere("ready");

      for (const id of ["notify-sheet", "install-sheet"]) {
        await page.evaluate((id) => {
          for (const one of document.querySelectorAll(`#${id} [hidden]`)) one.hidden = false;
          document.getElementById(id).showModal();
        }, id);
        await everywhere(id);
        await page.keyboard.press("Escape");
      }

      const sid = await person.ask("Pay 4,000.00 EUR to Ferry Lines?", { fields: FIELDS, seconds: 3_000 });
      const sheet = page.locator("#prompt");
      await sheet.locator("#deny:enabled").waitFor();
      await everywhere("question");
      await button("prompt.not_me").click();
      await everywhere("not-me");
      await button("go_back").click();
      await dismissAll(page);
      await hold(page);
      await button("prompt.deny").click();
      assert.equal(await person.outcome(sid), "denied");
      await page.locator("#notices").getByText(words["ended.denied"].replace("{message}", "").trim()).waitFor();
      await everywhere("denied");
      assert.ok(await page.locator("#notices button").first().isVisible(), "the notice is there still");

      await call("POST", `${app.path}/Branding`, { Label: LONG, Logo: LOGO });
      await call("POST", `${person.path}/Branding`, { Label: LONG });
      await call("POST", `${app.path}/Protection`, { InARowMax: 0, UserVerification: "required", Presence: "number" });
      for (const [presence, place, message] of [
        ["number", "#number", "Open the gate?"],
        ["pick", "#pick-options button >> nth=2", "Open the vault?"],
      ]) {
        await call("POST", `${app.path}/Protection`, { Presence: presence });
        const sid = await person.ask(message, { fields: FIELDS, seconds: 3_000 });
        await sheet.locator("#prompt-who").getByText(LONG).waitFor();
        await sheet.locator(`#${presence}-label`).getByText(LONG).waitFor();
        await sheet.locator(place).waitFor();
        await sheet.locator("#prompt-verification").waitFor();
        await sheet.locator("#deny:enabled").waitFor();
        await everywhere(presence);
        await button("prompt.deny").click();
        assert.equal(await person.outcome(sid), "denied");
      }
      await call("POST", `${app.path}/Protection`, { UserVerification: "", Presence: "" });

      await person.ask("Log in from Lisbon?", { fields: FIELDS, seconds: 3_000 });
      await sheet.locator("#deny:enabled").waitFor();
      await person.ask("Change your address to 7 Quay Street?", { fields: FIELDS, seconds: 3_000 });
      await sheet.locator("#prompt-deny-all").waitFor();
      await everywhere("several");
      await sheet.locator("#prompt-mute").click();
      await sheet.locator("#prompt-later:enabled").click();
      await page.getByRole("heading", { name: words["waiting.title"] }).waitFor();
      await everywhere("waiting");
      await page.locator("#deny-all").click();
      await everywhere("deny-all");
      await button("go_back").click();
      await page.locator("#accounts-list button").click();
      await everywhere("edit");
      await button("cancel").click();
      await page.context().setOffline(true);
      await page.getByRole("banner").getByText(words["outlook.offline"]).waitFor();
      await everywhere("offline");
      await page.context().setOffline(false);
      await call("DELETE", `${person.path}/Factors/${(await person.factor()).sid}`);
      await page.getByRole("heading", { name: words["outlook.nobody"] }).waitFor();
      await everywhere("removed");
    });
  }
});
