import {
  CapturingSession,
  type V3CaptureBundle,
  writeCaptureBundleSync,
} from "../../capture/mod.ts";
import { createEvent, FaultInvoker, MemoryDecisionLog, Supervisor } from "../../supervisor/mod.ts";
import { type Case, measureRounds, timeEach } from "../harness/rounds.ts";
import { withDirectory } from "../harness/temp_directory.ts";
import { ratioOf, type Topic } from "../harness/topic.ts";

const ROUNDS = 25;
const SMALL_COUNT = 40;
const LARGE_COUNT = 10;
const SMALL_BYTES = 4 * 1024;
const LARGE_BYTES = 1024 * 1024;
/** What an event and its decision take in the text. */
const EVENT_BYTES = 545;

const SMALL_BY_HAND = "4 KiB by hand";
const SMALL = "writeCaptureBundleSync, 4 KiB";
const LARGE_BY_HAND = "1 MiB: JSON.stringify, then by hand";
const LARGE = "writeCaptureBundleSync, 1 MiB";

/** A bundle whose text has about as many bytes. */
async function bundleOf(bytes: number): Promise<V3CaptureBundle> {
  const session = new CapturingSession({
    graphId: "bench",
    constraints: { max_retries: 0 },
    decisionLog: new MemoryDecisionLog(),
    invoker: new FaultInvoker(),
    createSupervisor: (options) => new Supervisor(options),
    runtimeProvenance: "rpv1:sha256:bench",
  });
  const payload = JSON.stringify({ price: 101.25, symbol: "EUR", note: "x".repeat(20) });
  for (let index = 0; index * EVENT_BYTES < bytes; index++) {
    const at = { secs: index, nanos: 0 };
    await session.onEvent(createEvent({ id: `event-${index}`, kind: "Command", at, payload }));
  }
  const bundle = session.intoBundle();
  if ("inputs" in bundle) throw new Error("The bundle is not of the format v3");
  return bundle;
}

/** What is done by hand: a temporary file, fsync, rename, fsync of the directory. */
function writeByHand(directory: string, bytes: Uint8Array): void {
  const temporary = `${directory}/bundle.tmp`;
  using file = Deno.openSync(temporary, { write: true, createNew: true, mode: 0o600 });
  file.writeSync(bytes);
  file.syncSync();
  Deno.renameSync(temporary, `${directory}/bundle.json`);
  using opened = Deno.openSync(directory, { read: true });
  opened.syncSync();
}

function caseOf(name: string, count: number, write: (directory: string) => void): Case {
  const run = () => withDirectory((directory) => timeEach(count, () => write(directory)));
  return { name, run };
}

async function cases(): Promise<Case[]> {
  const small = await bundleOf(SMALL_BYTES);
  const large = await bundleOf(LARGE_BYTES);
  const encoder = new TextEncoder();
  const smallBytes = encoder.encode(JSON.stringify(small) + "\n");
  const write = (directory: string, bundle: V3CaptureBundle) =>
    writeCaptureBundleSync(`${directory}/bundle.json`, bundle);
  return [
    caseOf(SMALL_BY_HAND, SMALL_COUNT, (directory) => writeByHand(directory, smallBytes)),
    caseOf(SMALL, SMALL_COUNT, (directory) => write(directory, small)),
    caseOf(
      LARGE_BY_HAND,
      LARGE_COUNT,
      (directory) => writeByHand(directory, encoder.encode(JSON.stringify(large) + "\n")),
    ),
    caseOf(LARGE, LARGE_COUNT, (directory) => write(directory, large)),
  ];
}

/** Whole bundles, on disk before the call returns. */
export const bundle: Topic = {
  name: "bundle",
  title: "a capture bundle, on disk before the call returns",
  async measure() {
    const rounds = await measureRounds(await cases(), ROUNDS);
    return {
      operation: "a bundle",
      rounds,
      ratios: [
        ratioOf(rounds, { of: SMALL, to: SMALL_BY_HAND }, { atMost: 1.25 }),
        ratioOf(rounds, { of: LARGE, to: LARGE_BY_HAND }, { atMost: 1.3 }),
      ],
    };
  },
};
