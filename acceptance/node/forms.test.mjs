import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect, refused } from "./wire.mjs";

describe("forms", () => {
  const { forms } = connect().verify.v2;

  test("the push form describes what a form must ask", async () => {
    const form = await forms("form-push").fetch();

    assert.equal(form.formType, "form-push");
    assert.deepEqual(Object.keys(form.forms).sort(), ["create_challenge", "create_factor", "verify_factor"]);
  });

  test("there is no other form", () => refused(forms("form-pigeon").fetch(), 404, 20404));
});
