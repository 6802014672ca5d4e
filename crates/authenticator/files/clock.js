// The server's time. The clock of a device is often wrong, and signatures and displayed times depend on it.

/** A `Date` header has a resolution of a second and is delayed by the network: smaller differences are ignored. */
const TOLERANCE = 2_000;

export class Clock {
  /** Milliseconds by which the server is ahead of this device. */
  #ahead = 0;

  /** The server's time in milliseconds. */
  now() {
    return Date.now() + this.#ahead;
  }

  /** Corrects the clock by a time that the server has just sent, as in its `Date` header. */
  learn(date) {
    const told = Date.parse(date);
    if (Number.isNaN(told)) return;
    // The middle of the second.
    const ahead = told + 500 - Date.now();
    if (Math.abs(ahead - this.#ahead) > TOLERANCE) this.#ahead = ahead;
  }
}

export const clock = new Clock();
