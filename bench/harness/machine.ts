import { spreadOf, timeEach } from "./rounds.ts";
import { withDirectory } from "./temp_directory.ts";

const SYNCS = 50;
const BYTES = 200;

/** The machine in a few words: what a figure is worth nothing without. */
export async function describeMachine(): Promise<string> {
  const { deno, v8 } = Deno.version;
  const processors = `${navigator.hardwareConcurrency} × ${await processorName()}`;
  const memory = `${(Deno.systemMemoryInfo().total / 1024 ** 3).toFixed(0)} GiB`;
  const load = Deno.loadavg()[0]!.toFixed(1);
  const sync = await syncTime();
  return [
    `Deno ${deno}, V8 ${v8}, ${Deno.build.target} ${Deno.osRelease()}`,
    `${processors}, ${memory}; load ${load} at the start`,
    `A write of ${BYTES} bytes and its fdatasync take ${sync.toFixed(0)} µs`,
  ].join("\n");
}

async function processorName(): Promise<string> {
  const text = await Deno.readTextFile("/proc/cpuinfo").catch(() => "");
  return /^model name\s*: (.+)$/m.exec(text)?.[1] ?? Deno.build.arch;
}

/** What waiting for the disk costs here, where the topics write their files. */
function syncTime(): Promise<number> {
  return withDirectory((directory) => {
    using file = Deno.openSync(`${directory}/file`, { append: true, create: true });
    const bytes = new Uint8Array(BYTES);
    const sync = () => {
      file.writeSync(bytes);
      file.syncDataSync();
    };
    return spreadOf(Array.from({ length: SYNCS }, () => timeEach(1, sync))).median;
  });
}
