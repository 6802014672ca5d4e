// Bytes as text, in the two alphabets of the protocol.

/** Standard base64 with padding. */
export function base64(bytes) {
  return btoa(Array.from(new Uint8Array(bytes), (byte) => String.fromCharCode(byte)).join(""));
}

/** base64url without padding. */
export function base64url(bytes) {
  return base64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** The UTF-8 bytes of a text. */
export function utf8(text) {
  return new TextEncoder().encode(text);
}
