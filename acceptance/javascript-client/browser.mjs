// A browser's CORS check of a request without cookies to another origin.
import assert from "node:assert/strict";
import { request as httpRequest } from "node:http";

const PLAIN_HEADERS = ["accept", "accept-language", "content-language"];
const PLAIN_TYPES = ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain"];

/** The headers for which a browser asks first, in the order in which it names them. */
export function askedFor(headers) {
  const isPlain = (name, value) =>
    PLAIN_HEADERS.includes(name) || (name === "content-type" && PLAIN_TYPES.includes(value));
  return Object.entries(headers)
    .filter(([name, value]) => !isPlain(name.toLowerCase(), value))
    .map(([name]) => name.toLowerCase())
    .sort();
}

/** The preflight that a browser sends before the call. */
export function preflight(url, { origin, method, headers }) {
  return send(url, "OPTIONS", {
    Origin: origin,
    "Access-Control-Request-Method": method,
    "Access-Control-Request-Headers": askedFor(headers).join(","),
  });
}

/** Asserts that after this preflight a browser would go on with the call. */
export function assertAllows(preflight, { origin, method, headers }) {
  assert.ok(preflight.status >= 200 && preflight.status < 300, `the preflight was answered with ${preflight.status}`);
  assertReadable(preflight, origin);
  const allowed = (name) => (preflight.headers[name] ?? "").split(",").map((word) => word.trim().toLowerCase());
  assert.ok(
    ["get", "head", "post", method.toLowerCase()].includes(method.toLowerCase()) ||
      allowed("access-control-allow-methods").includes(method.toLowerCase()),
  );
  // `*` among the allowed headers would not cover Authorization: each must be named.
  for (const name of askedFor(headers)) {
    assert.ok(allowed("access-control-allow-headers").includes(name), `${name} is not allowed`);
  }
}

/** Asserts that a browser would hand this answer to the page. */
export function assertReadable({ headers }, origin) {
  assert.ok(["*", origin].includes(headers["access-control-allow-origin"]), "the page may not read the answer");
}

/** A request with headers that `fetch` may keep for itself. */
export function send(url, method, headers, body) {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(parts).toString() }),
      );
    });
    request.on("error", reject);
    request.end(body);
  });
}
