/**
 * Records one step that ends and one that is left in flight, and ends in the way it is told to. What it
 * has to say about its trace it says before that.
 *
 * Usage: tracing.ts PATH WAY CONFIG
 */
import { installCrashFlush, TraceRecorder } from "../../../trace/mod.ts";
import { commands, nextTurn, say } from "./_pipe.ts";

const [outPath = "", way = "", config = "{}"] = Deno.args;

const recorder = new TraceRecorder({
  config: { ...JSON.parse(config), outPath },
  context: { pack_ref: "demo", flow_id: "demo.flow" },
  runId: "run-1",
});

function eventOf(node: string, payload: unknown = null) {
  const context = { flow_id: "demo.flow", attempt: 1 };
  return { context, node_id: node, node: { component_id: "c" }, payload, execution_id: node };
}

function sayOutcome(): void {
  say(`report: ${recorder.lastWriteError?.kind ?? "none"}`);
}

/** Stays until a signal ends it. */
async function sendToItself(signal: Deno.Signal): Promise<void> {
  Deno.kill(Deno.pid, signal);
  for await (const _ of commands()) { /* Nothing is said to it. */ }
}

if (way === "caught") globalThis.addEventListener("error", (event) => event.preventDefault());
installCrashFlush(recorder, { onSignal: way.startsWith("own-handler") ? "flush-only" : "exit" });

recorder.onNodeStart(eventOf("a"));
recorder.onNodeEnd(eventOf("a"), "done");
if (!["ok", "idle-exit", "idle-SIGTERM", "flow-error"].includes(way)) {
  recorder.onNodeStart(eventOf("b"));
}

switch (way) {
  case "ok":
    await recorder.flushSuccess();
    break;
  case "node-error": {
    const error = new Error("boom");
    recorder.onNodeError(eventOf("b"), error);
    await recorder.flushError(error);
    sayOutcome();
    break;
  }
  case "large-error":
    recorder.onNodeError(eventOf("large", "x".repeat(3 * 1024 * 1024)), new Error("boom"));
    sayOutcome();
    Deno.exit(0);
    break;
  case "flow-error":
    await recorder.flushError(new Error("boom"));
    sayOutcome();
    break;
  case "throw":
    throw new Error("boom");
  case "throw-later":
    setTimeout(() => {
      throw new Error("boom");
    });
    break;
  case "reject":
    void Promise.reject(new Error("boom"));
    break;
  case "caught":
    globalThis.addEventListener("error", () => {
      recorder.onNodeEnd(eventOf("b"), "done");
      recorder.flushSuccessSync();
      say("caught");
    });
    setTimeout(() => {
      throw new Error("boom");
    });
    break;
  case "end":
    break;
  case "exit":
  case "idle-exit":
    Deno.exit(3);
    break;
  case "SIGTERM":
  case "SIGINT":
  case "SIGHUP":
    await sendToItself(way);
    break;
  case "two-recorders": {
    const config = { outPath: `${outPath}.second` };
    const second = new TraceRecorder({ config, context: { pack_ref: "demo", flow_id: "second" } });
    installCrashFlush(second);
    second.onNodeStart(eventOf("c"));
    await sendToItself("SIGTERM");
    break;
  }
  case "failing": {
    for (let number = 1;; number++) {
      recorder.onNodeError(eventOf(`n${number}`, "x".repeat(20_000)), new Error("boom"));
      say(`${number}`);
    }
  }
  case "idle-SIGTERM":
    await sendToItself("SIGTERM");
    break;
  case "own-handler": {
    const ended = Promise.withResolvers<void>();
    Deno.addSignalListener("SIGTERM", ended.resolve);
    Deno.kill(Deno.pid, "SIGTERM");
    const waiting = commands().next();
    await ended.promise;
    say("handled");
    recorder.onNodeEnd(eventOf("b"), "done");
    await recorder.flushSuccess();
    void waiting;
    Deno.exit(0);
    break;
  }
  case "ignored-SIGHUP": {
    const heard = Promise.withResolvers<void>();
    Deno.addSignalListener("SIGHUP", heard.resolve);
    Deno.kill(Deno.pid, "SIGHUP");
    void commands().next();
    await heard.promise;
    await nextTurn();
    say("still here");
    recorder.onNodeEnd(eventOf("b"), "done");
    Deno.exit(0);
    break;
  }
  case "kill":
  case "flush-kill":
    if (way === "flush-kill") await recorder.flushBuffer();
    recorder.onNodeEnd(eventOf("b"), "done");
    Deno.kill(Deno.pid, "SIGKILL");
    break;
  default:
    throw new Error(`There is no way "${way}" to end`);
}
