// A TCP relay between browser and server that can be cut and restored.
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { server } from "../node/wire.mjs";

export class Cable {
  #sockets = new Set();
  #isHushed = false;
  #listener;

  static async lay() {
    const cable = new Cable();
    await cable.mend();
    return cable;
  }

  /** Ends every connection, and takes no new ones. */
  cut() {
    this.#listener.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets no byte through, and ends nothing, as networks do that lose everything. */
  hush() {
    this.#isHushed = true;
    for (const socket of this.#sockets) socket.pause();
  }

  /** Lets the bytes through that were held. */
  speak() {
    this.#isHushed = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Takes connections, at the same place as before. */
  async mend() {
    const { hostname, port } = new URL(server.url);
    this.#listener = createServer((near) => {
      const far = connect(port, hostname);
      near.pipe(far);
      far.pipe(near);
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ]) {
        this.#sockets.add(socket);
        if (this.#isHushed) socket.pause();
        socket.on("error", () => other.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          other.destroy();
        });
      }
    });
    this.#listener.listen(this.port ?? 0, "127.0.0.1");
    await once(this.#listener, "listening");
    this.port = this.#listener.address().port;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }
}
