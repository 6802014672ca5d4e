// An application: asks a person to approve a sign-in on their devices, and waits for the verdict.
//
//   npm install twilio
//   export SERVER_URL=http://127.0.0.1:8080 ACCOUNT_SID=AC... AUTH_TOKEN=... SERVICE_SID=VA...
//   node login.mjs ff483d1ff591
//
// Ends with 0 if the person approved.
import twilio from "twilio";

const { SERVER_URL, ACCOUNT_SID, AUTH_TOKEN, SERVICE_SID } = process.env;

/** Sends every request to Countersign, whatever host the SDK has chosen for it. */
class Countersign extends twilio.RequestClient {
  request(options) {
    const { pathname, search } = new URL(options.uri);
    return super.request({ ...options, uri: new URL(pathname + search, SERVER_URL).href });
  }
}

const client = twilio(ACCOUNT_SID, AUTH_TOKEN, { httpClient: new Countersign() });
const person = client.verify.v2.services(SERVICE_SID).entities(process.argv[2]);

const factors = await person.factors.list();
const device = factors.findLast(({ factorType, status }) => factorType === "push" && status === "verified");
if (!device) throw new Error("this person has no verified device");

// Creating the challenge sends its first push.
const challenge = await person.challenges.create({
  factorSid: device.sid,
  "details.message": "Log in to Owl Bank?",
  "details.fields": [{ label: "Place", value: "Lisbon" }],
});
console.log(`asked: ${challenge.sid}`);

// A challenge ends by itself, after five minutes by default.
let { status } = challenge;
while (status === "pending") {
  // Countersign answers when the status has changed, after 25 s at the latest.
  const response = await client.request({ method: "get", uri: `${challenge.url}?WaitSeconds=25` });
  if (response.statusCode !== 200) throw new Error(`${response.statusCode}: ${JSON.stringify(response.body)}`);
  ({ status } = typeof response.body === "string" ? JSON.parse(response.body) : response.body);
}
console.log(status);
process.exitCode = status === "approved" ? 0 : 1;
