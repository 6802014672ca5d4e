// The live timeline. Lines that are shown change in place; new ones wait behind a button, so that nothing moves under the pointer.
"use strict";

{
  const follow = byId("follow");
  const pill = byId("fresh");
  const title = document.title;
  /** Milliseconds without an event after which a stream is given up: the server sends one every 15 seconds. */
  const SILENCE = 45_000;
  /** The stream, while the page follows it, and the timer that gives it up. */
  let source;
  let silence;
  /** The lines as the server sent them last. */
  let latest;

  const linesOf = (root) => [...root.querySelectorAll(".line")];
  const parse = (html) => new DOMParser().parseFromString(html, "text/html").getElementById("lines");

  const showWaiting = (count, isMore) => {
    pill.disabled = count === 0;
    pill.textContent = count === 0 ? "" : `${count}${isMore ? "+" : ""} new`;
    byId("fresh-words").textContent = count === 0 ? "" : `${pill.textContent} challenges wait above`;
    document.title = count === 0 ? title : `(${pill.textContent}) ${title}`;
  };

  /** Shows all lines, the new ones too. */
  const showAll = () => {
    Idiomorph.morph(byId("lines"), latest.cloneNode(true));
    dress();
    showWaiting(0);
  };

  /** The server was heard. A network that drops everything closes no stream, so one that is silent is opened again. */
  const hear = () => {
    clearTimeout(silence);
    silence = setTimeout(() => {
      stop();
      lost();
      start();
    }, SILENCE);
  };

  const take = (event) => {
    hear();
    say("");
    latest = parse(event.data);
    const shown = linesOf(byId("lines"));
    if (shown.length === 0) return showAll();
    const next = new Map(linesOf(latest).map((line) => [line.id, line]));
    for (const line of shown) {
      const to = next.get(line.id);
      if (to) Idiomorph.morph(line, to.cloneNode(true));
      next.delete(line.id);
    }
    // Deleted challenges stay until the person asks for the new ones.
    const isNewer = (id) => id > shown[0].id || id.slice(5, 9) !== shown[0].id.slice(5, 9);
    const fresh = [...next.keys()].filter(isNewer);
    showWaiting(fresh.length, fresh.length === linesOf(latest).length);
    dress();
  };

  const stop = () => {
    clearTimeout(silence);
    source?.close();
    source = undefined;
  };

  const start = () => {
    if (source || isHeld() || document.hidden || !navigator.onLine) return;
    source = new EventSource(follow.dataset.stream);
    hear();
    source.addEventListener("lines", take);
    source.addEventListener("over", () => location.reload());
    source.addEventListener("open", () => say(""));
    source.addEventListener("beat", hear);
    source.addEventListener("error", () => {
      if (source?.readyState !== EventSource.CLOSED) return lost();
      stop();
      byId("follow-words").textContent = "Not live: too many pages follow already.";
    });
  };

  const showPace = () => {
    const since = sessionStorage.getItem(HELD);
    byId("follow-words").textContent = since ? `Paused at ${since} UTC.` : "Live.";
    byId("hold").textContent = since ? "Resume live updates" : "Pause live updates";
    follow.hidden = false;
  };

  byId("hold").addEventListener("click", () => {
    if (isHeld()) {
      sessionStorage.removeItem(HELD);
      start();
    } else {
      sessionStorage.setItem(HELD, new Date().toISOString().slice(11, 19));
      stop();
    }
    showPace();
  });
  pill.addEventListener("click", () => {
    const first = linesOf(latest)[0]?.id;
    showAll();
    scrollTo({ top: 0, behavior: "instant" });
    byId(first)?.querySelector("a").focus();
  });
  document.addEventListener("visibilitychange", () => (document.hidden ? stop() : start()));
  // An open stream does not notice by itself that the network is gone.
  addEventListener("offline", () => {
    stop();
    if (!isHeld()) lost();
  });
  addEventListener("online", start);
  addEventListener("pagehide", stop);
  addEventListener("pageshow", start);

  showPace();
  start();
}
