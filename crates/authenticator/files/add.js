// Adding an account without having opened its link: by the camera, or by pasting the link.
import { $ } from "./dom.js";
import { readLink } from "./link.js";

/** How often the picture is looked at, in milliseconds, and how large it is then at most. */
const EVERY = 200;
const LONGEST_SIDE = 960;

let camera;

/** `found` is called with a good link. */
export function bindAdd(found) {
  const take = (text) => {
    const link = readLink(text);
    if (link.faults) {
      $("add-error").textContent =
        "This is no complete enrolment link. Copy it whole, or ask the application for a new one.";
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

async function scan(take) {
  $("scan-go").hidden = true;
  try {
    // Not everybody scans, so it is loaded when somebody does.
    const { decodeQR } = await import("./qr-0.7.0.min.js");
    camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    if ($("add").open) await watch(decodeQR, take);
    else stopCamera();
  } catch {
    stopCamera();
    if (!$("add").open) return;
    $("add-error").textContent = "The camera cannot be used. Open the link on this device, or paste it here.";
  }
}

/** Reads what the camera sees until there is a code in it. */
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

/** The text of the code in a picture, if there is one that can be read. */
function read(context, picture, decodeQR) {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.videoWidth, picture.videoHeight));
  const width = Math.round(picture.videoWidth * scale);
  const height = Math.round(picture.videoHeight * scale);
  Object.assign(context.canvas, { width, height });
  context.drawImage(picture, 0, 0, width, height);
  try {
    return decodeQR(context.getImageData(0, 0, width, height));
  } catch {
    // there is none, or it is not sharp yet
    return undefined;
  }
}

function stopCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = undefined;
  $("scan-picture").hidden = true;
  $("scan-go").hidden = false;
}
