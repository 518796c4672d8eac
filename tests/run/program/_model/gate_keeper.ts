/** Passes the gates of a planned program that are for somebody else to pass. */
import { passGate, RunError } from "../../../../run/mod.ts";
import { partsOf, type PlannedGate, type PlannedProgram, valueOf } from "./planned.ts";

/** Passes the gates of a program that are for somebody else to pass, when it comes to them. */
export class GateKeeper {
  readonly #gates: Map<string, PlannedGate>;
  readonly #passing: Promise<void>[] = [];

  readonly #onSaid: (op: string) => void;

  /** `onSaid`: told when something said at a gate is acknowledged. */
  constructor(program: PlannedProgram, onSaid: (op: string) => void = () => {}) {
    this.#onSaid = onSaid;
    const gates = [...partsOf(program.main)].filter((part) => part.op === "gate");
    this.#gates = new Map(gates.map((gate) => [gate.id, gate]));
  }

  /** The program has come to a gate. */
  take(id: string, root: Parameters<typeof passGate>[0], runId: string): void {
    const passed = this.#pass(this.#gates.get(id)!, root, runId);
    // It may be that nobody waits for that any more.
    passed.catch(() => {});
    this.#passing.push(passed);
  }

  /** Resolves when all that was to be passed is. */
  async done(): Promise<void> {
    await Promise.all(this.#passing.splice(0));
  }

  async #pass(
    { id, by, isChecked, value: planned }: PlannedGate,
    root: Parameters<typeof passGate>[0],
    runId: string,
  ): Promise<void> {
    const value = valueOf(planned);
    const op = `other ${id}`;
    const says = { by: "driver", ...(by === "denied" ? { reject: true } : { value }) };
    try {
      if (isChecked) await passGate(root, runId, id, { value: "odd", op: `odd ${id}` });
      await passGate(root, runId, id, { ...says, op });
      this.#onSaid(op);
    } catch (error) {
      // It has passed the gate by what was said before it was killed, and is done.
      if (!(error instanceof RunError && error.kind === "stopped")) throw error;
    }
  }
}
