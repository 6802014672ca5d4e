// The operator's browser at the console.
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { server } from "../node/wire.mjs";
import { visit } from "./stage.mjs";

/** Runs a command beside the server and returns what it prints. */
export function command(...args) {
  const settings = ["--data-dir", process.env.ACCEPTANCE_DATA_DIR, "--set", `http.public_url=${server.url}`];
  const options = { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] };
  return execFileSync(process.env.ACCEPTANCE_PROGRAM, [...args, ...settings], options).trim();
}

/** A new operator: their name and the first link. */
export function newOperator(role) {
  const name = `${role}-${randomUUID().slice(0, 8)}`;
  const link = command("operators", "add", name, "--role", role, "--account", server.sid);
  return { name, link };
}

/** Opens a link of an operator. */
export async function follow(page, link) {
  await page.goto(link);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: /^Sign in as/ }).waitFor();
}

/** The link that enrols a device, on the page of the second factor. */
export async function invitation(page) {
  await page.getByRole("button", { name: "Enrol a device" }).click();
  return page.getByRole("link", { name: "Enrol this browser" }).getAttribute("href");
}

/** Answers the prompt of a sign-in on the device, with the number that the console shows. */
export async function approve(device, page, name) {
  const number = await page.locator("#number").innerText();
  const sheet = device.getByRole("dialog", { name: `Sign in to the console as ${name}?` });
  await sheet.getByLabel("Number that Countersign console shows you").fill(number);
  await sheet.getByRole("button", { name: "Approve" }).click();
}

/** Signs a new operator in: the page at the console, and the one that is the device. */
export async function newcomer(scene, test, role, options) {
  const { name, link } = newOperator(role);
  const page = Object.assign(await visit(scene, test, options), { console: `${server.url}/console` });
  await follow(page, link);
  const device = await visit(scene, test);
  await device.goto(await invitation(page));
  await device.getByRole("button", { name: "Add this device" }).click();
  await device.locator("#enrol").waitFor({ state: "hidden" });
  await page.getByRole("button", { name: "It is enrolled: ask it" }).click();
  await approve(device, page, name);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  return { name, page, device };
}

/** A browser at the sign-in form. */
export async function door(scene, test, options) {
  const page = await visit(scene, test, options);
  Object.assign(page, { console: `${options?.url ?? server.url}/console` });
  await page.goto(page.console);
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  return page;
}

/** A browser that is signed in. */
export async function operator(scene, test, options) {
  const page = await door(scene, test, options);
  await signIn(page, server.token);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  return page;
}

export async function signIn(page, token) {
  await page.getByLabel("Account SID").fill(server.sid);
  await page.getByLabel("Auth token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}
