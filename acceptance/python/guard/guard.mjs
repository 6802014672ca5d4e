// Node loads this by `--import`: it refuses connections off this machine, and writes them to the file GUARD_LOG.
import { appendFileSync } from "node:fs";
import net from "node:net";

const LOOPBACK = ["127.0.0.1", "::1", "localhost"];
const { connect } = net.Socket.prototype;

net.Socket.prototype.connect = function (...given) {
  const [options] = Array.isArray(given[0]) ? given[0] : given;
  const host = options.host ?? "localhost";
  if (LOOPBACK.includes(host)) return connect.apply(this, given);
  appendFileSync(process.env.GUARD_LOG, `${host}\n`);
  return this.destroy(new Error(`the guard refuses ${host}`));
};
