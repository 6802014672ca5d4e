// Enrolment links: `…/authenticator#service=VA…&identity=…&token=…`, and, if the application says so, `push` (the service's
// key for Web Push). What the service is called is not read from a link: the server says it to whoever holds the token. A
// fragment is never sent to any server.

const PARTS = {
  service: /^VA[0-9a-f]{32}$/i,
  identity: /^[0-9A-Za-z-]{8,64}$/,
  token: /^[\x21-\x7e]{1,4096}$/,
};

/** Reads a link, or only its fragment. One that was damaged on its way, or never was one, gives its `faults`. */
export function readLink(text) {
  const told = new URLSearchParams(text.slice(text.indexOf("#") + 1).trim());
  const faults = Object.keys(PARTS).filter((name) => !PARTS[name].test(told.get(name) ?? ""));
  if (faults.length > 0) return { faults };
  return {
    service: told.get("service"),
    identity: told.get("identity"),
    token: told.get("token"),
    pushKey: /^[\w-]{87}$/.test(told.get("push") ?? "") ? told.get("push") : "",
  };
}
