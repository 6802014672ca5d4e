import { createInterface } from "node:readline/promises";
import { setTimeout } from "node:timers/promises";
import twilio from "twilio";

const { VERIFY_URL, SERVICE_SID, ACCOUNT_SID, AUTH_TOKEN } = process.env;
const PERSON = "ff483d1ff591";

class Countersign extends twilio.RequestClient {
  request(options) {
    return super.request({ ...options, uri: options.uri.replace(/^https?:\/\/[^/]+/, VERIFY_URL) });
  }
}

const client = twilio(ACCOUNT_SID, AUTH_TOKEN, { httpClient: new Countersign() });
const service = client.verify.v2.services(SERVICE_SID);
const person = service.entities(PERSON);

const { token } = await service.accessTokens.create({ identity: PERSON, factorType: "push" });
console.log(`${VERIFY_URL}/authenticator#service=${SERVICE_SID}&identity=${PERSON}&token=${token}`);
const terminal = createInterface({ input: process.stdin, output: process.stdout });
await terminal.question("Press Enter once the device is enrolled. ");
terminal.close();
const device = (await person.factors.list()).at(-1);
const [message, fields] = ["Log in from Lisbon?", [{ label: "Place", value: "Lisbon" }]];
let challenge = await person.challenges.create({ factorSid: device.sid, "details.message": message, "details.fields": fields });
while (challenge.status === "pending") {
  await setTimeout(1000);
  challenge = await person.challenges(challenge.sid).fetch();
}
console.log(challenge.status);
