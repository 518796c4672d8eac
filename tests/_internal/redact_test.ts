import { assertEquals } from "@std/assert";
import { MASK, redactOrMask } from "../../_internal/visit_json.ts";

Deno.test("redactOrMask() keeps what the redactor answers, undefined too", () => {
  assertEquals(redactOrMask("a", "$.b", (value, path) => `${value} at ${path}`), "a at $.b");
  assertEquals(redactOrMask("a", "$", () => undefined), undefined);
});

Deno.test("redactOrMask() leaves the mask of what a redactor throws on", () => {
  const redact = () => {
    throw new Error("broken");
  };
  assertEquals(redactOrMask("secret", "$", redact), MASK);
});

Deno.test("redactOrMask() waits for no promise, and lets none reject unheard", async () => {
  assertEquals(redactOrMask("secret", "$", () => Promise.reject(new Error("late"))), MASK);
  // A value that is a promise itself is none of the redactor's.
  const value = Promise.resolve(1);
  assertEquals(await (redactOrMask(value, "$", (same) => same) as Promise<number>), 1);
});
