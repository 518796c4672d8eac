/**
 * Opens a runtime and does as it is told, by JSON lines of operations, each answered with one. After
 * it has closed the runtime it can open it again.
 *
 * Usage: store_owner.ts ROOT RUNTIME_ID
 */
import { RuntimeStoreError, WorkerRuntime } from "../../../store/mod.ts";
import { commands, say } from "./_pipe.ts";
import type { OwnerAnswer, OwnerCommand } from "./_store_owner.ts";

const [root = "", runtimeId = ""] = Deno.args;
let runtime: WorkerRuntime | undefined;

function opened(): WorkerRuntime {
  if (runtime === undefined) throw new Error("The runtime is not open");
  return runtime;
}

async function obey(command: OwnerCommand): Promise<unknown> {
  switch (command.do) {
    case "open":
      runtime = await WorkerRuntime.open({ root, runtimeId });
      return Deno.pid;
    case "close":
      return await opened().close();
    case "summary":
      return opened().summary();
    case "create":
      return await opened().createWorker({
        intent: { kind: "assistant" },
        profile: { kind: "runtime_default" },
      });
    case "send":
      return await opened().sendInput({ runtime_id: runtimeId, worker_id: command.worker }, {
        kind: "user",
        content: "x".repeat(command.bytes),
      });
  }
}

async function answer(command: OwnerCommand): Promise<OwnerAnswer> {
  try {
    return { done: await obey(command) ?? null };
  } catch (error) {
    if (!(error instanceof RuntimeStoreError)) throw error;
    const { kind, message, details: { holderPid } } = error;
    return { failure: { kind, message, ...(holderPid !== undefined && { holderPid }) } };
  }
}

say("ready");
for await (const line of commands()) say(JSON.stringify(await answer(JSON.parse(line))));
