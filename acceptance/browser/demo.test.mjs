// The link that `countersign demo` prints signs in to the console, once.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { describe, test } from "node:test";
import { stage, visit } from "./stage.mjs";

/** A demo, and the first link to the console that it prints. */
async function demo(test) {
  const program = spawn(process.env.ACCEPTANCE_PROGRAM, ["demo"], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((resolve) => program.on("exit", resolve));
  test.after(async () => {
    program.kill("SIGTERM");
    assert.equal(await ended, 0);
  });
  let said = "";
  const both = /(http:\S+\/console\/enter\?key=\S+)[^]*(http:\S+\/authenticator#\S+)\s/;
  return new Promise((resolve, reject) => {
    program.stdout.on("data", (text) => {
      said += text;
      const [, console, authenticator] = both.exec(said) ?? [];
      if (authenticator) resolve({ console, authenticator });
    });
    program.on("exit", () => reject(new Error(`the demo ended: ${said}`)));
  });
}

describe("the demo", () => {
  const scene = stage();

  test("signs in to its console by a link, and asks the person who enrols by the other", async (t) => {
    const links = await demo(t);
    const page = await visit(scene, t);
    await page.goto(links.console);
    await page.getByRole("heading", { name: "Overview" }).waitFor();
    assert.ok(!page.url().includes("key="), "the key does not stay in the address");
    await page.getByRole("link", { name: "Still there?" }).click();
    await page.getByText("Push delivered").waitFor();

    const device = await visit(scene, t);
    await device.goto(links.authenticator);
    await device.getByRole("button", { name: "Add this device" }).click();
    await device.getByRole("button", { name: "Approve", disabled: false }).click();
    await page.goto(new URL("/console/timeline", links.console).href);
    const row = page.getByRole("listitem").filter({ hasText: "Log in to Harbour Bank?" }).first();
    await row.getByText("approved").first().waitFor();

    const other = await visit(scene, t);
    await other.goto(links.console);
    await other.getByText("This link was used before").waitFor();
  });
});
