// A protected site: an application behind nginx or Caddy, configured as docs/integrate/forward-auth.md says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { server } from "../node/wire.mjs";
import { freePort } from "./port.mjs";
import { call } from "./stage.mjs";

const DOCUMENT = fileURLToPath(new URL("../../docs/integrate/forward-auth.md", import.meta.url));
const KEY = /DIX{18}/g;

/** The only block of the document in a language. */
async function block(language) {
  const found = [...(await readFile(DOCUMENT, "utf8")).matchAll(/```(\w+)\n([^]*?)```/g)].filter(
    ([, its]) => its === language,
  );
  assert.equal(found.length, 1);
  return found[0][2];
}

/** The document's configuration with these addresses. Over plain http, since browsers trust no certificate that is made here. */
async function configure(kind, folder, { key, port, application }) {
  const site = `http://wiki.localhost:${port}`;
  const text = (await block(kind === "nginx" ? "nginx" : "caddyfile"))
    .replaceAll(KEY, key)
    .replaceAll("127.0.0.1:8080", new URL(server.url).host)
    .replaceAll("127.0.0.1:8081", `127.0.0.1:${application}`);
  if (kind === "caddy") {
    const own = text.replace("wiki.example.com {", `${site} {\n    bind 127.0.0.1`);
    const file = join(folder, "Caddyfile");
    await writeFile(file, `{\n    admin off\n    auto_https off\n}\n${own}`);
    return ["caddy", ["run", "--adapter", "caddyfile", "--config", file]];
  }
  const own = text
    .replace("listen 443 ssl;", `listen 127.0.0.1:${port};`)
    .replace(/ +ssl_certificate.*\n/g, "")
    .replace("server_name wiki.example.com;", "server_name wiki.localhost;")
    .replace("https://wiki.example.com$request_uri", `${site}$request_uri`);
  const places = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((it) => `${it}_temp_path ${folder}/${it};`);
  const file = join(folder, "nginx.conf");
  const head = `daemon off;\nmaster_process off;\npid ${folder}/pid;\nerror_log stderr;\nevents {}\n`;
  await writeFile(file, `${head}http {\naccess_log off;\n${places.join("\n")}\n${own}}\n`);
  return ["nginx", ["-p", folder, "-c", file, "-e", "stderr"]];
}

/** Waits until somebody answers at an address. */
async function answers(url, process, said) {
  for (;;) {
    assert.equal(process.exitCode, null, said());
    try {
      await fetch(url, { redirect: "manual" });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Starts a site with an integration of its own; `stop` ends it. */
export async function protect(kind, app, settings = {}) {
  const application = createServer((request, response) => {
    response.setHeader("content-type", "text/html; charset=utf-8");
    const user = request.headers["remote-user"] ?? "nobody";
    response.end(`<!doctype html><html lang="en"><title>Wiki</title><main><h1>Hello ${user}</h1><p>${request.url}</p></main>`);
  }).listen(0, "127.0.0.1");
  await once(application, "listening");
  const port = await freePort();
  const url = `http://wiki.localhost:${port}`;
  const what = { FriendlyName: "Owl wiki", Kind: "forward_auth", UserRule: "lower" };
  const form = { ...what, "ForwardAuth.Sites": url, PromptLife: 600, ...settings };
  const { body } = await call("POST", `${app.path}/Integrations`, form);
  const folder = await mkdtemp(join(tmpdir(), "countersign-site-"));
  const places = { key: body.key, port, application: application.address().port };
  const [program, flags] = await configure(kind, folder, places);
  const path = `${process.env.PATH}:/usr/sbin`;
  const web = spawn(program, flags, { env: { ...process.env, PATH: path, HOME: folder }, stdio: ["ignore", "pipe", "pipe"] });
  let said = "";
  for (const stream of [web.stdout, web.stderr]) stream.on("data", (data) => (said += data));
  await answers(`http://127.0.0.1:${port}/`, web, () => said);
  const stop = async () => {
    web.kill();
    if (web.exitCode === null) await once(web, "exit");
    application.close();
    application.closeAllConnections();
    await rm(folder, { recursive: true });
  };
  return { url, key: body.key, path: `${app.path}/Integrations/${body.sid}`, stop };
}
