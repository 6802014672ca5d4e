// A TCP relay between browser and server that can be cut and restored.
import { connect, createServer } from "node:net";
import { once } from "node:events";
import { server } from "../node/wire.mjs";

export class Cable {
  #sockets = new Set();
  #isCut = false;
  #isHushed = false;
  #listener = createServer((near) => this.#join(near));

  /** A cable for one test. It keeps its port until the test is over: while it is cut, nobody else may listen there. */
  static async lay(test) {
    const cable = new Cable();
    cable.#listener.listen(0, "127.0.0.1");
    await once(cable.#listener, "listening");
    cable.url = `http://127.0.0.1:${cable.#listener.address().port}`;
    test.after(() => {
      cable.cut();
      cable.#listener.close();
    });
    return cable;
  }

  /** Ends every connection, and every new one at once. */
  cut() {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Takes connections again. */
  mend() {
    this.#isCut = false;
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

  #join(near) {
    if (this.#isCut) return near.resetAndDestroy();
    const { hostname, port } = new URL(server.url);
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
  }
}
