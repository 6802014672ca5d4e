// The operator's browser at the console.
import { server } from "../node/wire.mjs";
import { visit } from "./stage.mjs";

/** A browser at the sign-in form. */
export async function door(scene, test, options) {
  const page = await visit(scene, test, options);
  Object.assign(page, { console: `${server.url}/console` });
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
