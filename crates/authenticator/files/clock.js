// The server's time. Devices are often wrong about the hour, and what they sign and show depends on it.

/** A `Date` header is cut to the second and was on its way: smaller differences mean nothing. */
const TOLERANCE = 2_000;

export class Clock {
  /** Milliseconds by which the server is ahead of this device. */
  #ahead = 0;

  /** What time the server has, in milliseconds. */
  now() {
    return Date.now() + this.#ahead;
  }

  /** Learns from a date that the server told just now, as in its `Date` header. */
  learn(date) {
    const told = Date.parse(date);
    if (Number.isNaN(told)) return;
    // The middle of the second that was cut off.
    const ahead = told + 500 - Date.now();
    if (Math.abs(ahead - this.#ahead) > TOLERANCE) this.#ahead = ahead;
  }
}

export const clock = new Clock();
