// Scanning the code that the console draws: a film that the browser uses as its camera.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { operator } from "./operator.mjs";
import { launch, stage, visit } from "./stage.mjs";

const WIDTH = 640;
const HEIGHT = 480;

/** A picture as a film: YUV4MPEG2 with one frame, which the browser repeats. */
async function film(browser, picture) {
  const page = await browser.newPage();
  const grey = await page.evaluate(
    async ([picture, width, height]) => {
      const bytes = Uint8Array.from(atob(picture), (char) => char.charCodeAt(0));
      const bitmap = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
      const context = new OffscreenCanvas(width, height).getContext("2d");
      context.fillStyle = "#b0b4ae";
      context.fillRect(0, 0, width, height);
      const size = height * 0.9;
      context.drawImage(bitmap, (width - size) / 2, (height - size) / 2, size, size);
      const { data } = context.getImageData(0, 0, width, height);
      return Array.from({ length: width * height }, (_, at) => data[at * 4]);
    },
    [picture.toString("base64"), WIDTH, HEIGHT],
  );
  await page.close();
  const colourless = Buffer.alloc((WIDTH * HEIGHT) / 2, 128);
  return Buffer.concat([
    Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\nFRAME\n`),
    Buffer.from(grey),
    colourless,
  ]);
}

/** A browser with such a camera. */
async function filming(t, frames) {
  const folder = await mkdtemp(join(tmpdir(), "camera-"));
  const file = join(folder, "code.y4m");
  await writeFile(file, frames);
  const browser = await launch(["--use-fake-device-for-media-stream", `--use-file-for-fake-video-capture=${file}`]);
  t.after(async () => {
    await browser.close();
    await rm(folder, { recursive: true });
  });
  return browser;
}

/** The page of the console with a new enrolment link. */
async function invitation(scene, t, identity) {
  const page = await operator(scene, t, { viewport: { width: 1040, height: 860 }, deviceScaleFactor: 2 });
  await page.goto(`${page.console}/enrol?service=${scene.app.sid}&identity=${identity}`);
  await page.getByRole("button", { name: "Make a link" }).click();
  await page.getByText("Valid for another").waitFor();
  return page;
}

/** The code of an enrolment link, as the console shows it. */
async function code(scene, t, identity) {
  const page = await invitation(scene, t, identity);
  return page.getByRole("img", { name: "The link as a code to scan" }).screenshot();
}

describe("an enrolment code", () => {
  const scene = stage();

  test("is read by the camera, and enrols the person", async (t) => {
    const { identity } = scene.app.person();
    const browser = await filming(t, await film(scene.browser, await code(scene, t, identity)));
    const page = await visit({ browser }, t, { permissions: ["camera"] });
    await page.goto(page.home);
    await page.getByRole("button", { name: "Add an account" }).click();
    await page.getByRole("button", { name: "Scan the code" }).click();
    await page.getByRole("heading", { name: `Answer for ${scene.app.name}` }).waitFor();
    await page.locator("#enrol").getByText(identity).waitFor();
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("Connected while this page").waitFor();
    // The link led to a new page, in which the camera was never on.
    const camera = await page.evaluate(() => document.getElementById("scan-picture").srcObject?.active);
    if (camera) throw new Error("the camera is on still");
  });

  test("that is not in view keeps the camera on, until the person pastes the link", async (t) => {
    // The browser's default film has no code in it.
    const page = await visit({ browser: await filming(t, await film(scene.browser, await blank(scene))) }, t, {
      permissions: ["camera"],
    });
    await page.goto(page.home);
    await page.getByRole("button", { name: "Add an account" }).click();
    await page.getByRole("button", { name: "Scan the code" }).click();
    await page.getByLabel("What the camera sees").waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.getByRole("button", { name: "Add an account" }).click();
    await page.getByRole("button", { name: "Scan the code" }).waitFor();
    await page.getByLabel("Enrolment link").fill(await scene.app.person().link());
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("heading", { name: `Answer for ${scene.app.name}` }).waitFor();
  });

  test("holds a short link, which can be pasted too, until it is used", async (t) => {
    const { identity } = scene.app.person();
    const link = await (await invitation(scene, t, identity)).getByLabel("The link, to copy").inputValue();
    const paste = async () => {
      const page = await visit(scene, t);
      await page.goto(page.home);
      await page.getByRole("button", { name: "Add an account" }).click();
      await page.getByLabel("Enrolment link").fill(link);
      await page.getByRole("button", { name: "Continue" }).click();
      return page;
    };
    const page = await paste();
    await page.getByRole("heading", { name: `Answer for ${scene.app.name}` }).waitFor();
    await page.locator("#enrol").getByText(identity).waitFor();
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("Connected while this page").waitFor();
    await (await paste()).getByText("This is no complete enrolment link").waitFor();
  });

  test("need not be read: its letters and digits can be typed, until it is used", async (t) => {
    const { identity } = scene.app.person();
    const code = await (await invitation(scene, t, identity)).locator("#typed code").last().innerText();
    assert.match(code, /^[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$/);
    const type = async (text) => {
      const page = await visit(scene, t);
      await page.goto(page.home);
      await page.getByRole("button", { name: "Add an account" }).click();
      await page.getByLabel("Enrolment link").fill(text);
      await page.getByRole("button", { name: "Continue" }).click();
      return page;
    };
    const unknown = "No open invitation has these letters and digits";
    await (await type(`${code.slice(0, 10)}${code.endsWith("7") ? "8" : "7"}`)).getByText(unknown).waitFor();
    const page = await type(` ${code.toLowerCase().replace("-", " ")}`);
    await page.getByRole("heading", { name: `Answer for ${scene.app.name}` }).waitFor();
    await page.locator("#enrol").getByText(identity).waitFor();
    await page.getByRole("button", { name: "Add this device" }).click();
    await page.getByText("Connected while this page").waitFor();
    await (await type(code)).getByText(unknown).waitFor();
  });

  test("cannot be read without a camera, and the page says what to do", async (t) => {
    const page = await visit(scene, t);
    await page.goto(page.home);
    await page.getByRole("button", { name: "Add an account" }).click();
    await page.getByRole("button", { name: "Scan the code" }).click();
    await page.getByText("The camera cannot be used. Open the link on this device, or paste it here.").waitFor();
    await page.getByRole("button", { name: "Scan the code" }).waitFor();
  });
});

async function blank(scene) {
  const page = await scene.browser.newPage();
  const picture = await page.screenshot();
  await page.close();
  return picture;
}
