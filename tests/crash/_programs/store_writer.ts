import { denoFilePort } from "../../../_internal/file_port.ts";
import { openRuntimeOnPort } from "../../../store/runtime/worker_runtime.ts";
import { Random } from "../../_util/random.ts";
import { say } from "./_pipe.ts";
import {
  type Acknowledged,
  CHECKPOINT_MUTATIONS,
  inputCountOf,
  inputOf,
  RUNTIME_ID,
} from "./_store.ts";

/**
 * Creates workers and sends inputs until it is killed, and says each mutation after it was
 * acknowledged. Some of the mutations are transactions of several inputs. Every other life syncs nothing.
 *
 * Usage: store_writer.ts ROOT LIFE
 */

const [root = "", life = "0"] = Deno.args;
const random = new Random(Number(life));
const MOST_WORKERS = 4;

const durability = Number(life) % 2 === 1 ? "os" : "disk";
const runtime = await openRuntimeOnPort(denoFilePort, { root, runtimeId: RUNTIME_ID, durability }, {
  checkpointMutations: CHECKPOINT_MUTATIONS,
});

async function create(n: number): Promise<Acknowledged> {
  const { worker_id: worker, last_event_id: event } = await runtime.createWorker({
    intent: { kind: "assistant" },
    profile: { kind: "runtime_default" },
  });
  return { n, did: "created", worker, event };
}

async function send(n: number): Promise<Acknowledged> {
  const refs = runtime.listWorkers({ limit: MOST_WORKERS }).map(({ worker_ref }) => worker_ref);
  const choices = Array.from({ length: inputCountOf(n) }, () => random.pick(refs));
  const inputs = await runtime.transaction((transaction) =>
    choices.map((ref, index) => {
      const input = inputOf(Number(life), n, index);
      const { transcript_sequence: sequence, event_id: event } = transaction.sendInput(ref, input);
      return { worker: ref.worker_id, sequence, event };
    })
  );
  return { n, did: "sent", inputs };
}

say("ready");
for (let n = 0;; n++) {
  const needsWorkers = runtime.summary().worker_count < MOST_WORKERS;
  const acknowledged = needsWorkers ? await create(n) : await send(n);
  say(JSON.stringify(acknowledged));
}
