// A port for a program that must be told where to listen.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below the ports that systems hand out by themselves: nobody gets this one before the program listens there. */
const PORTS = [20_000, 32_000];

/** A port at which nobody listens. */
export async function freePort() {
  for (;;) {
    const port = randomInt(...PORTS);
    const listener = createServer().listen(port, "127.0.0.1");
    try {
      await once(listener, "listening");
    } catch {
      continue;
    }
    listener.close();
    await once(listener, "close");
    return port;
  }
}
