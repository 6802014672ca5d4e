// Waits for the answer, and loads the page again once there is one. Without scripts a button does the same.
const standing = document.getElementById("standing");
const LONGEST_PAUSE = 8_000;

/** The server's status of the attempt: "pending" or "changed"; an error if it cannot be reached. */
async function ask() {
  const response = await fetch(standing.dataset.poll, { cache: "no-store" });
  // The attempt is over, which the page says itself.
  if (response.status >= 400 && response.status < 500) return "changed";
  if (!response.ok) throw new Error(`status ${response.status}`);
  return (await response.json()).standing;
}

function show(text, isLost) {
  if (standing.textContent !== text) standing.textContent = text;
  standing.classList.toggle("lost", isLost);
}

async function follow() {
  for (let pause = 1_000; ; ) {
    try {
      if ((await ask()) !== "pending") return location.reload();
      show(standing.dataset.waiting, false);
      pause = 1_000;
    } catch {
      show(standing.dataset.unreachable, true);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

follow();
