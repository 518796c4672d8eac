/**
 * A planned program whose power is cut: it runs in this process, on a disk that is simulated, and goes on with what
 * that may hold. Its effects are outside, and no power cut makes them forget.
 */
import { assert, assertEquals } from "@std/assert";
import type { FilePort } from "../../../../_internal/file_port.ts";
import { runPaths } from "../../../../_internal/root_layout.ts";
import { readCaptureBundle, stringifyCaptureJournal } from "../../../../capture/mod.ts";
import { openRootOnPort } from "../../../../run/file_root/file_root.ts";
import type { FaultPort } from "../../../_util/fault_port.ts";
import { comesFrom } from "../../../_util/fault_run.ts";
import { PowerCut } from "../../../_util/fault_script.ts";
import { textOf } from "../../../_util/files.ts";
import { hastyFilePort } from "../../../_util/hasty_port.ts";
import { ask } from "../../../cli/_command.ts";
import { checkRecords, checkReplays } from "../../_records_agree.ts";
import { checkNothingAgain, checkOutcome, learnedIn, readJournal } from "./checks.ts";
import { type Effect, Effects } from "./effects.ts";
import { GateKeeper } from "./gate_keeper.ts";
import { outcomeOf } from "./model.ts";
import type { PlannedProgram } from "./planned.ts";
import { runPlanned } from "./recorded_doer.ts";

const RUN_ID = "run";
/** A step that nothing catches fails twice at most. */
const MOST_LIVES = 30;

/** What has happened outside of a run, over all its lives. */
export class CutWorld {
  readonly program: PlannedProgram;
  effects: Effect[] = [];
  /** What must not run again: its end was learned, or told by the log. */
  readonly over = new Set<string>();
  /** What was said at gates, and acknowledged. */
  readonly said = new Set<string>();
  value: unknown;

  constructor(program: PlannedProgram) {
    this.program = program;
  }

  /** What is known of it when the power goes, apart from what still happens then. */
  copy(): CutWorld {
    const copy = new CutWorld(this.program);
    copy.effects = [...this.effects];
    for (const id of this.over) copy.over.add(id);
    for (const op of this.said) copy.said.add(op);
    return copy;
  }

  /** Runs until the end, or until the power is gone; then everything that follows is refused. */
  async live(port: FilePort, path: string): Promise<void> {
    const isOn = () => !("isCutNoticed" in port) || !(port as FaultPort).isCutNoticed;
    for (let life = 0; life < MOST_LIVES; life++) {
      const from = this.effects.length;
      try {
        if (await this.#liveOnce(port, path, isOn)) return;
      } finally {
        checkNothingAgain(this.effects, this.over, { from });
        this.#takeTold(path);
      }
    }
    throw new Error("It does not come to its end");
  }

  async #liveOnce(port: FilePort, path: string, isOn: () => boolean): Promise<boolean> {
    await using root = openRootOnPort(port, path);
    const keeper = new GateKeeper(this.program, (op) => {
      if (isOn()) this.said.add(op);
    });
    // What is under way behind a power cut adds nothing to what others see.
    const effects = new Effects(this.effects, ({ kind, id }) => {
      if (!isOn()) throw new PowerCut(undefined);
      if (kind === "gate") keeper.take(id, root, RUN_ID);
    });
    try {
      this.value = await runPlanned(this.program, { root, runId: RUN_ID, effects });
      await keeper.done();
      return true;
    } catch (error) {
      await keeper.done().catch(() => {});
      if (!isOn()) throw new PowerCut(undefined);
      if (comesFrom(error, (cause) => cause instanceof PowerCut)) throw error;
      if (error instanceof Error && error.cause instanceof Error) return false;
      throw error;
    } finally {
      this.effects = [...effects.lines];
    }
  }

  /** What the log says was told, by whoever follows it. */
  #takeTold(path: string): void {
    for (const line of textOf(runPaths(path, RUN_ID).events).split("\n").slice(0, -1)) {
      const id = /"type":"node.completed".*"node_id":("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
      if (id !== undefined) this.over.add(JSON.parse(id));
    }
  }

  /** Nothing that was acknowledged is lost with the power. */
  checkImage(path: string): void {
    const inbox = textOf(runPaths(path, RUN_ID).inbox);
    for (const op of this.said) assert(inbox.includes(JSON.stringify(op)), `${op} is lost`);
  }

  /** All that must hold when it has come to its end; `wasOver`: its journal said so when the power went. */
  async checkEnd(path: string, { wasOver }: { wasOver: boolean }): Promise<void> {
    const { bundle: bundlePath, events } = runPaths(path, RUN_ID);
    // What is left to do is a matter of `repair`: a run that has completed may lack its end in the log.
    await ask(["repair", "--root", path, RUN_ID], path);
    const { value, effects } = this;
    const outcome = await outcomeOf(this.program, learnedIn(effects));
    // The power took a part of its log, which then nobody makes again, and which `verify` tells for ever: what the
    // program comes to is not touched by that.
    const isLogDamaged = wasOver && textOf(events).includes("\0");
    if (isLogDamaged && textOf(bundlePath) === "") {
      assertEquals(learnedIn(effects), outcome.learned);
      assertEquals(value, outcome.value);
      return;
    }
    const bundle = await readCaptureBundle(bundlePath);
    const journal = readJournal(stringifyCaptureJournal(bundle));
    checkOutcome(outcome, { value, effects, journal, mayRepeat: true });
    assertEquals(journal.isCompleted, true);
    await (isLogDamaged ? checkReplays : checkRecords)(path);
  }
}

/** Goes on after a power cut to the end, on a disk that fails no more. */
export async function goOnToEnd(world: CutWorld, path: string): Promise<void> {
  world.checkImage(path);
  const wasOver = /"type":"ended".*"state":"Completed"/.test(
    textOf(runPaths(path, RUN_ID).journal),
  );
  await world.live(hastyFilePort, path);
  await world.checkEnd(path, { wasOver });
}
