// Set-up of the tests: a service for one file, and people with phones.
import { randomUUID } from "node:crypto";
import { after, before } from "node:test";
import { Phone } from "./phone.mjs";
import { connect, server } from "./wire.mjs";

/** The SDK and a service of this file's own, removed when its tests are over. */
export function stage() {
  const client = connect();
  const scene = { client, http: client.httpClient };
  before(async () => {
    scene.sid = (await client.verify.v2.services.create({ friendlyName: "Owl Bank" })).sid;
    scene.service = client.verify.v2.services(scene.sid);
  });
  after(() => scene.service.remove());
  return scene;
}

/** Makes a factor with backend credentials, as an application does on behalf of a phone. */
export async function enrol(entity, { phone = new Phone(server.url), platform = "fcm", ...more } = {}) {
  const factor = await entity.newFactors.create({
    friendlyName: "Ann's phone",
    factorType: "push",
    "binding.alg": "ES256",
    "binding.publicKey": phone.publicKey,
    "config.appId": "com.example.owlbank",
    "config.notificationPlatform": platform,
    "config.sdkVersion": "0.9.0",
    ...(platform === "fcm" && { "config.notificationToken": "fcm-registration-token-".padEnd(64, "0") }),
    ...more,
  });
  phone.keep(factor);
  return { phone, factor };
}

/** Ann: her entity, her verified phone, and a way to challenge her. */
export async function ann({ service }, options) {
  const identity = randomUUID();
  const entity = service.entities(identity);
  const { phone } = await enrol(entity, options);
  await entity.factors(phone.sid).update({ authPayload: phone.proof() });
  const ask = (more) =>
    entity.challenges.create({ factorSid: phone.sid, "details.message": "Log in to Owl Bank?", ...more });
  return { identity, entity, phone, ask };
}

/** Reads a list through the SDK's own iterator, one item a page. */
export function everyItem(list, filters) {
  return list.list({ pageSize: 1, ...filters });
}
