// Adding an account without opening its link: with the camera, by pasting the link, or by typing its code.
import { $ } from "./dom.js";
import { readLink, shortCode, typedCode } from "./link.js";
import { server } from "./protocol.js";
import { say } from "./words.js";

/** Interval between pictures in milliseconds, and the largest size of a picture. */
const EVERY = 200;
const LONGEST_SIDE = 960;
/** Timeout for the response to a short link in milliseconds. */
const PATIENCE = 15_000;

let camera;

/** `found` is called with a valid link. */
export function bindAdd(found) {
  const take = (text) => {
    const [short, typed] = [shortCode(text), typedCode(text)];
    if (short ?? typed) {
      follow(short ?? typed, { 404: typed ? "add.unknown_code" : "add.incomplete", 429: "add.too_many" });
      return;
    }
    const link = readLink(text);
    if (link.faults) {
      $("add-error").textContent = say("add.incomplete");
      return;
    }
    $("add").close();
    found(link);
  };
  $("add-form").addEventListener("submit", (event) => {
    event.preventDefault();
    take($("add-link").value);
  });
  $("scan").hidden = !navigator.mediaDevices;
  $("scan-go").addEventListener("click", () => scan(take));
  $("add").addEventListener("close", () => {
    stopCamera();
    $("add-form").reset();
    $("add-error").textContent = "";
  });
}

/**
 * Opens a short link, which leads back to this page with the whole link. A script cannot read where it leads; it can learn
 * whether the link still works, so that the page is not left for an error. The server's own address is used, whatever the text
 * says. `refusals` are what is said of a status.
 */
async function follow(code, refusals) {
  const address = new URL(`e/${code}`, server);
  $("add-error").textContent = "";
  let response;
  try {
    const signal = AbortSignal.timeout(PATIENCE);
    response = await fetch(address, { credentials: "omit", cache: "no-store", redirect: "manual", signal });
  } catch {
    // The message below says so.
  }
  // The person may have cancelled.
  if (!$("add").open) return;
  if (response?.type === "opaqueredirect") location.replace(address);
  else $("add-error").textContent = say(refusals[response?.status] ?? "enrol.unreachable");
}

async function scan(take) {
  $("scan-go").hidden = true;
  // Loaded on demand, because few people scan.
  const reader = await import("./qr-0.7.0.min.js").catch(() => undefined);
  if (!reader) {
    $("scan-go").hidden = false;
    $("add-error").textContent = say("enrol.unreachable");
    return;
  }
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    if ($("add").open) await watch(reader.decodeQR, take);
    else stopCamera();
  } catch {
    stopCamera();
    if (!$("add").open) return;
    $("add-error").textContent = say("add.no_camera");
  }
}

/** Reads pictures of the camera until one contains a code. */
async function watch(decodeQR, take) {
  const picture = $("scan-picture");
  picture.srcObject = camera;
  picture.hidden = false;
  await picture.play();
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  while (camera) {
    const text = read(context, picture, decodeQR);
    if (text) {
      stopCamera();
      take(text);
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

/** The text of the code in a picture, if one can be read. */
function read(context, picture, decodeQR) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.videoWidth, picture.videoHeight));
  const width = Math.round(picture.videoWidth * scale);
  const height = Math.round(picture.videoHeight * scale);
  Object.assign(context.canvas, { width, height });
  context.drawImage(picture, 0, 0, width, height);
  try {
    return decodeQR(context.getImageData(0, 0, width, height));
  } catch {
    // There is no code, or it is blurred.
    return undefined;
  }
}

function stopCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = undefined;
  $("scan-picture").hidden = true;
  $("scan-go").hidden = false;
}
