// Adding an account without having opened its link: by the camera where the browser reads codes, or by pasting the link.
import { $ } from "./dom.js";
import { readLink } from "./link.js";

const EVERY = 200;

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
  $("scan").hidden = !("BarcodeDetector" in window && navigator.mediaDevices);
  $("scan-go").addEventListener("click", () => scan(take));
  $("add").addEventListener("close", () => {
    stopCamera();
    $("add-form").reset();
    $("add-error").textContent = "";
  });
}

async function scan(take) {
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
  } catch {
    $("add-error").textContent = "The camera cannot be used. Open the link on this device, or paste it here.";
    return;
  }
  const picture = $("scan-picture");
  picture.srcObject = camera;
  picture.hidden = false;
  $("scan-go").hidden = true;
  await picture.play();
  const detector = new globalThis.BarcodeDetector({ formats: ["qr_code"] });
  while (camera) {
    const [code] = await detector.detect(picture).catch(() => []);
    if (code && camera) {
      stopCamera();
      take(code.rawValue);
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY));
  }
}

function stopCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = undefined;
  $("scan-picture").hidden = true;
  $("scan-go").hidden = false;
}
