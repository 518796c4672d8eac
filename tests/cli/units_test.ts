import { assertEquals, assertThrows } from "@std/assert";
import {
  formatAge,
  formatDuration,
  formatSize,
  formatTime,
  parseAgeOption,
  parseCountOption,
  parseDuration,
  parseSizeOption,
} from "../../cli/text/units.ts";
import { UsageError } from "../../cli/exit_codes.ts";

const DURATIONS: [string, number][] = [
  ["0s", 0],
  ["250ms", 250],
  ["0.5ms", 1],
  ["30s", 30_000],
  ["1.5m", 90_000],
  ["596h", 2_145_600_000],
  ["1.5d", 129_600_000],
];

for (const [text, milliseconds] of DURATIONS) {
  Deno.test(`parseDuration() reads ${text} as ${milliseconds} ms`, () => {
    assertEquals(parseDuration(text), milliseconds);
  });
}

for (
  const text of [
    "",
    "5",
    "5 s",
    "-5s",
    "5S",
    "s",
    "1e3s",
    ".5s",
    "5.s",
    "5w",
    "25d",
    "1m30s",
    "597h",
  ]
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

Deno.test("formatAge() tells the greatest unit that is full, and a time ahead as such", () => {
  const ages: [number, string][] = [
    [-1, "ahead"],
    [0, "0s ago"],
    [59_999, "59s ago"],
    [60_000, "1m ago"],
    [3_599_999, "59m ago"],
    [47 * 3_600_000, "47h ago"],
    [48 * 3_600_000, "2d ago"],
  ];
  for (const [milliseconds, text] of ages) assertEquals(formatAge(milliseconds), text);
});

Deno.test("formatSize() prints what options take", () => {
  const sizes: [number, string][] = [
    [0, "0B"],
    [1023, "1023B"],
    [1024, "1.0KiB"],
    [17_026, "17KiB"],
    [5 * 1024 ** 2, "5.0MiB"],
    [3000 * 1024 ** 3, "3000GiB"],
  ];
  for (const [bytes, text] of sizes) assertEquals(formatSize(bytes), text);
});

Deno.test("parseAgeOption() and parseCountOption() read numbers, and say what is wrong with others", () => {
  assertEquals(parseAgeOption("since", "7d"), 604_800_000);
  assertEquals(parseAgeOption("since", "1.5h"), 5_400_000);
  assertThrows(() => parseAgeOption("since", "7"), UsageError, 'Cannot use --since "7": write');
  assertEquals(parseCountOption("keep", "0"), 0);
  assertThrows(() => parseCountOption("keep", "-1"), UsageError, 'Cannot use --keep "-1": write');
  assertThrows(() => parseCountOption("keep", "1e3"), UsageError);
});

Deno.test("formatTime() leaves out fractions of a second, and all else as it is", () => {
  assertEquals(formatTime("2026-04-15T12:00:00.123Z"), "2026-04-15T12:00:00Z");
  for (const text of ["2026-04-15T12:00:00Z", "2026-04-15T12:00:00.5+02:00", "", "v1.2"]) {
    assertEquals(formatTime(text), text);
  }
});
