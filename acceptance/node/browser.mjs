// A browser without scripts, which keeps its cookies.
import assert from "node:assert/strict";

export class Browser {
  #cookies = new Map();

  /** With the address at which it comes back to the application, where nobody listens. */
  constructor(back) {
    this.back = back;
  }

  /** Loads a page, or sends a form. Follows redirections; one to the application it returns as `back`. */
  async get(url, form) {
    for (let left = 10; left > 0; left--) {
      const response = await fetch(url, {
        method: form ? "POST" : "GET",
        body: form && new URLSearchParams(form),
        headers: { cookie: [...this.#cookies].map((pair) => pair.join("=")).join("; ") },
        redirect: "manual",
      });
      for (const line of response.headers.getSetCookie()) {
        const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
        this.#cookies.set(name, value);
      }
      const to = response.headers.get("location");
      if (!to) return { url, status: response.status, text: await response.text() };
      url = new URL(to, url);
      form = undefined;
      if (url.href.startsWith(this.back)) return { back: url };
    }
    assert.fail("it is led on and on");
  }
}

/** The hidden fields of a page. */
export function hidden(text) {
  const fields = text.matchAll(/type="hidden" name="(\w+)" value="([^"]*)"/g);
  return Object.fromEntries([...fields].map(([, ...pair]) => pair));
}

/** Where a page leads on. */
export function onward(text) {
  const [, to] = text.match(/class="onward" href="([^"]*)"/) ?? assert.fail(text);
  return new URL(to.replaceAll(/&(amp|#38);/g, "&"));
}
