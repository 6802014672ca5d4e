// Enrolment links: `…/authenticator#service=VA…&identity=…&token=…` and, for services with Web Push, `push` (the service's
// key). The name of the service is not read from the link: the server returns it to the holder of the token. A fragment is
// never sent to a server.

const PARTS = {
  service: /^VA[0-9a-f]{32}$/i,
  identity: /^[0-9A-Za-z-]{8,64}$/,
  token: /^[\x21-\x7e]{1,4096}$/,
};

/** The code of a short link, `…/e/…`: the server leads who opens it to the whole link. */
export function shortCode(text) {
  return /\/e\/([\w-]{86})$/.exec(text.trim())?.[1];
}

/** A code that somebody typed in place of a link: ten letters and digits, in groups or not. */
export function typedCode(text) {
  const code = text.replaceAll(/[\s-]/g, "");
  return /^[0-9a-z]{10}$/i.test(code) ? code.toUpperCase() : undefined;
}

/** Parses a link or its fragment. Returns the `faults` of an invalid one. */
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
