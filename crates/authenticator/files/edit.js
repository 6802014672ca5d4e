// Renaming and removing an account.
import { $, foreign, plain } from "./dom.js";
import { accountName, holderOf } from "./accounts.js";
import { Refused } from "./protocol.js";
import { saveAccount } from "./store.js";
import { say, tell } from "./words.js";

let device;

/** Opens the dialog of an account. */
export function edit(chosen) {
  device = chosen;
  const { account } = device;
  $("edit-label").value = account.label ?? "";
  $("edit-label").placeholder = plain(account.name);
  $("edit-name").value = account.deviceName;
  $("edit-identity").replaceChildren(foreign(holderOf(account)));
  $("edit-service").replaceChildren(...(account.name ? [foreign(account.name), " · "] : []), account.serviceSid);
  $("edit-factor").textContent = account.factorSid;
  $("edit-error").textContent = "";
  $("edit").showModal();
  $("edit-title").focus();
}

/** `changed` is called when an account was renamed, `removed` when it was removed. */
export function bindEdit(changed, removed) {
  $("edit-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const { account } = device;
    const label = $("edit-label").value.trim();
    const deviceName = $("edit-name").value.trim();
    if (!deviceName) return;
    try {
      if (deviceName !== account.deviceName) await device.rename(deviceName);
    } catch (error) {
      $("edit-error").textContent = why(error);
      return;
    }
    Object.assign(account, { label, deviceName });
    await saveAccount(account);
    $("edit").close();
    changed();
  });
  $("edit-remove").addEventListener("click", () => {
    $("remove-text").replaceChildren(...tell("remove.text", { name: accountName(device.account) }));
    $("remove-error").textContent = "";
    $("remove-here").hidden = true;
    $("remove").showModal();
    $("remove-title").focus();
  });
  const gone = async () => {
    $("remove").close();
    $("edit").close();
    await removed(device);
  };
  $("remove-go").addEventListener("click", async () => {
    $("remove-go").disabled = true;
    try {
      await device.remove();
      await gone();
    } catch (error) {
      $("remove-error").textContent = why(error);
      $("remove-here").hidden = false;
    } finally {
      $("remove-go").disabled = false;
    }
  });
  $("remove-here").addEventListener("click", gone);
}

function why(error) {
  if (error instanceof Refused) return say("refused", { message: error.message });
  return say("edit.unreachable");
}
