// https for clients that speak nothing else, in front of the server, which the suite started without it.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import tls from "node:tls";
import { server } from "./wire.mjs";

/** A listener with its certificate and its port; `close` ends it. */
export async function secured() {
  const own = certificate();
  const target = new URL(server.url);
  const relay = tls.createServer(own, (client) => {
    const onward = net.connect(Number(target.port), target.hostname);
    client.pipe(onward).pipe(client);
    for (const end of [client, onward]) end.on("error", () => {});
  });
  await new Promise((listening) => relay.listen(0, "127.0.0.1", listening));
  return { cert: own.cert, port: relay.address().port, close: () => relay.close() };
}

/** A certificate for localhost, of itself. */
function certificate() {
  const folder = mkdtempSync(join(tmpdir(), "duo-"));
  const [key, cert] = ["key.pem", "cert.pem"].map((name) => join(folder, name));
  const what = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj", "/CN=localhost"];
  const names = ["-addext", "subjectAltName=DNS:localhost"];
  execFileSync("openssl", ["req", "-x509", ...what, ...names, "-keyout", key, "-out", cert], { stdio: "pipe" });
  const made = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return made;
}
