// The client that OpenAPI Generator makes of Twilio's public description, with our server as its host.
import TwilioVerify from "twilio_verify";
import { server } from "../node/wire.mjs";

/**
 * The description names a host for each path, and in the generated client a path's host wins over
 * `ApiClient.basePath`. So the base path is set, and a plugin of the client's HTTP library sends every request there.
 */
export function pointAt(client, url) {
  client.basePath = url;
  client.plugins = [
    (request) => {
      request.url = request.url.replace(/^https?:\/\/[^/]+/, url);
    },
  ];
}

/** Makes the documented call; resolves to the callback's arguments and the request. */
export function createNotification({ serviceSid, identity, challengeSid }, opts, credentials = server) {
  const defaultClient = TwilioVerify.ApiClient.instance;
  pointAt(defaultClient, server.url);
  const { accountSid_authToken } = defaultClient.authentications;
  accountSid_authToken.username = credentials.sid;
  accountSid_authToken.password = credentials.token;

  const apiInstance = new TwilioVerify.VerifyV2NotificationApi();
  return new Promise((resolve) => {
    const request = apiInstance.createNotification(serviceSid, identity, challengeSid, opts, (error, data, response) =>
      resolve({ error, data, response, request }),
    );
  });
}

export { TwilioVerify };
