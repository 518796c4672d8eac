import { assertEquals, assertThrows } from "@std/assert";
import { formatDuration, parseDuration, parseSizeOption } from "../../cli/units.ts";
import { UsageError } from "../../cli/usage_error.ts";

const DURATIONS: [string, number][] = [
  ["0s", 0],
  ["250ms", 250],
  ["0.5ms", 1],
  ["30s", 30_000],
  ["1.5m", 90_000],
  ["596h", 2_145_600_000],
];

for (const [text, milliseconds] of DURATIONS) {
  Deno.test(`parseDuration() reads ${text} as ${milliseconds} ms`, () => {
    assertEquals(parseDuration(text), milliseconds);
  });
}

for (
  const text of ["", "5", "5 s", "-5s", "5S", "s", "1e3s", ".5s", "5.s", "5d", "1m30s", "597h"]
) {
  Deno.test(`parseDuration() refuses ${JSON.stringify(text)}`, () => {
    assertEquals(typeof parseDuration(text), "object");
  });
}

const LENGTHS: [number, string][] = [
  [0, "0ms"],
  [999, "999ms"],
  [1000, "1.0s"],
  [1234, "1.2s"],
  [59_940, "59.9s"],
  [59_960, "1m 00s"],
  [125_400, "2m 05s"],
  [3_599_600, "1h 00m"],
  [7_620_000, "2h 07m"],
];

for (const [milliseconds, text] of LENGTHS) {
  Deno.test(`formatDuration() prints ${milliseconds} ms as ${text}`, () => {
    assertEquals(formatDuration(milliseconds), text);
  });
}

const SIZES: [string, number][] = [
  ["1", 1],
  ["4096", 4096],
  ["64KiB", 65_536],
  ["1MiB", 1_048_576],
  ["1GiB", 1_073_741_824],
];

for (const [text, bytes] of SIZES) {
  Deno.test(`parseSizeOption() reads ${text} as ${bytes} bytes`, () => {
    assertEquals(parseSizeOption("max-output", text), bytes);
  });
}

for (const text of ["", "0", "1.5MiB", "1MB", "1 MiB", "2GiB", "-1", "MiB"]) {
  Deno.test(`parseSizeOption() refuses ${JSON.stringify(text)}`, () => {
    assertThrows(() => parseSizeOption("max-output", text), UsageError);
  });
}
