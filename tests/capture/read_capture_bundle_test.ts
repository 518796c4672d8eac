import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  parseCaptureBundle,
  readCaptureBundle,
  ReplayError,
  stringifyCaptureBundle,
  type V3CaptureBundle,
  writeCaptureBundle,
} from "../../capture/mod.ts";
import { withTempDir } from "../_util/temp.ts";
import { event, newSession, sampleBundle } from "./_util.ts";

Deno.test(
  "what is no file is refused at once",
  { ignore: Deno.build.os === "windows" },
  async () => {
    await withTempDir(async (directory) => {
      new Deno.Command("mkfifo", { args: [`${directory}/pipe`] }).outputSync();
      const cases: [string, typeof TypeError | typeof Deno.errors.NotFound, string][] = [
        [`${directory}/pipe`, TypeError, "it is a named pipe, not a regular file"],
        [directory, TypeError, "it is a directory, not a regular file"],
        ["/dev/zero", TypeError, "it is a device, not a regular file"],
        [`${directory}/none`, Deno.errors.NotFound, "it does not exist"],
      ];
      for (const [path, errorClass, message] of cases) {
        await assertRejects(() => readCaptureBundle(path), errorClass, message);
      }
    });
  },
);

Deno.test("a bundle is read by way of a link", async () => {
  await withTempDir(async (directory) => {
    const bundle = await sampleBundle();
    await writeCaptureBundle(`${directory}/run.json`, bundle);
    await Deno.symlink(`${directory}/run.json`, `${directory}/link`);
    assertEquals(await readCaptureBundle(`${directory}/link`), bundle);
  });
});

Deno.test("what is garbage is refused in our own words", () => {
  const cases: [string | Uint8Array, string][] = [
    ["", "EOF while parsing a value"],
    ["garbage", "expected value"],
    ["\0".repeat(100), "expected value"],
    ["null", "invalid type: null, expected an object"],
    ["[]", "invalid type: sequence, expected an object"],
    ["\ufeff{}", "byte order mark"],
    [Uint8Array.of(0xff, 0xfe, 0x7b, 0, 0x7d, 0), "the text is UTF-16, not UTF-8"],
    [Uint8Array.of(0xfe, 0xff, 0, 0x7b, 0, 0x7d), "the text is UTF-16, not UTF-8"],
    [Uint8Array.of(0xff, 0xfe, 0, 0, 0x7b, 0, 0, 0), "the text is UTF-32, not UTF-8"],
    [Uint8Array.of(0x7b, 0x22, 0xff, 0x22), "invalid unicode code point"],
    ["[".repeat(2_000_000), "nesting deeper than 127 levels"],
    ['{"events":'.repeat(2_000_000), "nesting deeper than 127 levels"],
    ['{"capture_version":"taffrail-v1","inputs":[' + "[".repeat(2_000_000), "nesting deeper"],
  ];
  for (const [text, message] of cases) assertThrows(() => parseCaptureBundle(text), Error, message);
});

/** The text of a bundle with one place of it changed. */
function changed(bundle: V3CaptureBundle, from: string, to: string): string {
  const text = stringifyCaptureBundle(bundle);
  assertEquals(text.includes(from), true, from);
  return text.replace(from, to);
}

Deno.test("times and spans that overflow are refused, wherever they stand (J-8, J-9)", async () => {
  const bundle = await sampleBundle();
  const time = '"event_time":{"secs":1,"nanos":0}';
  const window = '"rate_window":{"secs":10,"nanos":0}';
  const due = '"schedule_at":{"secs":10,"nanos":0}';
  for (const from of [time, window, due]) {
    for (
      const span of [
        '{"secs":9007199254740992,"nanos":0}',
        '{"secs":9007199254740991,"nanos":1000000000}',
        '{"secs":18446744073709551615,"nanos":999999999}',
        '{"secs":18446744073709551615,"nanos":1000000000}',
      ]
    ) {
      const text = changed(bundle, from, `${from.slice(0, from.indexOf(":"))}:${span}`);
      assertThrows(() => parseCaptureBundle(text), RangeError, "invalid value");
    }
  }
  const latest = changed(bundle, time, '"event_time":[9007199254740990,1999999999]');
  const { events } = parseCaptureBundle(latest) as V3CaptureBundle;
  assertEquals(events[1]?.event_time, { secs: 9007199254740991, nanos: 999999999 });
});

Deno.test("what a later member of the same name would hide is refused", async () => {
  const bundle = await sampleBundle();
  const hidden = ["1e400", '"\\ud800"', "[".repeat(130) + "]".repeat(130), "1"];
  for (const value of hidden) {
    for (const place of ['"graph_id":', '"max_retries":', '"payload":', '"effects":']) {
      const text = changed(bundle, place, `${place}${value},${place}`);
      assertThrows(() => parseCaptureBundle(text), SyntaxError, "Cannot parse JSON");
    }
  }
});

Deno.test("the hash of a bundle is checked however it is laid out, from a text, bytes and a file", async () => {
  const session = newSession({ mode: "concurrent", constraints: { max_retries: 0 } });
  await session.onEvent(event("é1", 0, { payload: '{"x":1}' }));
  await session.supervisor.idle();
  const bundle = session.intoBundle();
  const text = stringifyCaptureBundle(bundle);
  const { bundle_hash: hash, ...rest } = JSON.parse(text);
  const layouts = [
    text,
    text.trimEnd(),
    `${text}\n`,
    `${text.trimEnd()} `,
    stringifyCaptureBundle(bundle, "pretty"),
    JSON.stringify({ bundle_hash: hash, ...rest }),
  ];
  const read = async (path: string, text: string) => {
    await Deno.writeTextFile(path, text);
    const bytes = await Deno.readFile(path);
    const before = bytes.slice();
    const attempts = [
      () => parseCaptureBundle(text),
      () => parseCaptureBundle(bytes),
      () => readCaptureBundle(path),
    ];
    const answers = await Promise.all(attempts.map(async (attempt) => {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof ReplayError) return error.kind;
        throw error;
      }
    }));
    assertEquals(bytes, before);
    return answers;
  };
  await withTempDir(async (directory) => {
    const path = `${directory}/bundle.json`;
    const other = hash.startsWith("0") ? "1" : "0";
    const refusals = Array(3).fill("bundle-hash-mismatch");
    for (const layout of layouts) {
      assertEquals(await read(path, layout), [bundle, bundle, bundle], layout);
      for (const wrong of [other + hash.slice(1), "none"]) {
        assertEquals(await read(path, layout.replace(hash, wrong)), refusals, layout);
      }
      assertEquals(await read(path, layout.replace("é1", "é2")), refusals, layout);
    }
  });
});
