import { Fifo } from "../core/deferred_queue.ts";
import type { Attempt, StepResult, SupervisorCore } from "../core/supervisor_core.ts";
import type {
  CompletionInput,
  EventInput,
  SupervisorInput,
  SupervisorPorts,
  WithdrawInput,
} from "../types.ts";

/** The caller that waits for an input to be handled. */
interface Caller {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Pending<Input extends SupervisorInput = SupervisorInput> extends Caller {
  readonly input: Input;
}

/** What an {@linkcode InputLoop} leads to. */
interface InputLoopHooks {
  /** Makes an attempt. */
  start: (attempt: Attempt) => void;
  /** Told when nothing is left to be handled, for now or, with an error, for good. */
  onRest: (failure: { error: unknown } | null) => void;
}

const NOBODY: Caller = { resolve: () => {}, reject: () => {} };

const HANDLED = Promise.resolve();

/** An event that waits. As most are handled at once, its promise is only made when it is asked for. */
class PendingEvent implements Pending<EventInput> {
  readonly input: EventInput;
  /** What the promise is or will be; null as long as the event waits and it was not asked for. */
  #promise: Promise<void> | null = null;
  #resolvers: Caller = NOBODY;

  constructor(input: EventInput) {
    this.input = input;
  }

  promise(): Promise<void> {
    if (this.#promise === null) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#promise = promise;
      this.#resolvers = { resolve, reject };
    }
    return this.#promise;
  }

  resolve(): void {
    this.#promise ??= HANDLED;
    this.#resolvers.resolve();
  }

  reject(error: unknown): void {
    this.#promise ??= Promise.reject(error);
    this.#resolvers.reject(error);
  }
}

/**
 * Takes one input after the other: recorded, decided on, logged, acted on. Events wait in the order of
 * the calls, completions in that of the answers. Completions go first, which frees their places; then
 * withdrawals, so that no event starts what is to be withdrawn. The order in which inputs are taken is the
 * one that is recorded. A withdrawal that comes too late, for nothing that is deferred then, is refused and
 * is no input.
 */
export class InputLoop {
  readonly #core: SupervisorCore;
  readonly #ports: SupervisorPorts;
  readonly #hooks: InputLoopHooks;
  #events = new Fifo<Pending<EventInput>>();
  #withdrawals = new Fifo<Pending<WithdrawInput>>();
  #completions = new Fifo<Pending<CompletionInput>>();
  /** The input that is being handled. */
  #current: Pending | null = null;
  /** The event of the serial run that is not over: its caller waits for the decision. */
  #undecided: Caller | null = null;
  #failure: { error: unknown } | null = null;

  constructor(core: SupervisorCore, ports: SupervisorPorts, hooks: InputLoopHooks) {
    this.#core = core;
    this.#ports = ports;
    this.#hooks = hooks;
  }

  /** What stopped it, if anything did. */
  get failure(): { error: unknown } | null {
    return this.#failure;
  }

  /** Whether no input is handled or waits. */
  get isAtRest(): boolean {
    const { length } = this.#events;
    const waiting = length + this.#withdrawals.length + this.#completions.length;
    return this.#current === null && waiting === 0;
  }

  /** Adds an event. The promise resolves when its decision is logged. */
  addEvent(input: EventInput): Promise<void> {
    const pending = new PendingEvent(input);
    this.#events.push(pending);
    this.#wake();
    return pending.promise();
  }

  /** Adds a completion. Its caller resolves when what follows from it is decided. */
  addCompletion(input: CompletionInput, { resolve, reject }: Caller = NOBODY): void {
    this.#completions.push({ input, resolve, reject });
    this.#wake();
  }

  /** Adds a withdrawal. Its caller resolves when it is decided, and is rejected when nothing is to withdraw. */
  addWithdrawal(input: WithdrawInput, { resolve, reject }: Caller): void {
    this.#withdrawals.push({ input, resolve, reject });
    this.#wake();
  }

  /** Rejects the events that wait. */
  rejectEvents(error: unknown): void {
    const events = this.#events;
    this.#events = new Fifo();
    for (const event of events.toArray()) event.reject(error);
    this.#wake();
  }

  /** Stops, as soon as the input that is being handled is. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#wake();
  }

  #wake(): void {
    if (this.#current === null) this.#handleInputs();
  }

  /** Handles what waits, without a pause as long as no port asks for one. */
  #handleInputs(): void {
    try {
      for (let pending = this.#next(); pending !== undefined; pending = this.#next()) {
        this.#current = pending;
        const handled = this.#record(pending);
        if (handled === undefined) continue;
        void this.#goOnAfter(handled);
        return;
      }
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#rest();
  }

  async #goOnAfter(handled: Promise<void>): Promise<void> {
    try {
      await handled;
    } catch (error) {
      this.#failure ??= { error };
    }
    this.#handleInputs();
  }

  #record(pending: Pending): Promise<void> | undefined {
    const recorded = this.#ports.inputLog?.record(pending.input);
    if (recorded === undefined) return this.#decide(pending);
    return Promise.resolve(recorded).then(() => this.#decide(pending));
  }

  #decide(pending: Pending): Promise<void> | undefined {
    const result = this.#core.step(pending.input);
    const entry = result.decisions[0];
    const logged = entry === undefined ? undefined : this.#ports.decisionLog.log(entry);
    if (logged === undefined) return this.#act(pending, result);
    return Promise.resolve(logged).then(() => this.#act(pending, result));
  }

  #act(pending: Pending, { decisions, invocations }: StepResult): undefined {
    for (const attempt of invocations) this.#hooks.start(attempt);
    this.#settle(pending, decisions.length > 0);
  }

  #rest(): void {
    if (this.#failure !== null) this.#rejectAll(this.#failure.error);
    this.#current = null;
    this.#hooks.onRest(this.#failure);
  }

  /** The next input: while a serial run is not over, none but a completion. */
  #next(): Pending | undefined {
    if (this.#failure !== null) return undefined;
    const completion = this.#completions.shift();
    if (completion !== undefined || this.#core.isOccupied) return completion;
    return this.#nextWithdrawal() ?? this.#events.shift();
  }

  #nextWithdrawal(): Pending | undefined {
    for (;;) {
      const pending = this.#withdrawals.shift();
      if (pending === undefined) return undefined;
      const { episode_id: episodeId } = pending.input;
      if (this.#core.isDeferred(episodeId)) return pending;
      pending.reject(new TypeError(`Cannot withdraw episode ${episodeId}: it is not deferred`));
    }
  }

  #settle(pending: Pending, isDecided: boolean): void {
    if (!isDecided && pending.input.type === "event") {
      this.#undecided = pending;
      return;
    }
    pending.resolve();
    if (!isDecided) return;
    this.#undecided?.resolve();
    this.#undecided = null;
  }

  #rejectAll(error: unknown): void {
    const callers = [this.#completions, this.#withdrawals, this.#events]
      .flatMap((queue): Caller[] => queue.toArray());
    this.#completions = new Fifo();
    this.#withdrawals = new Fifo();
    this.#events = new Fifo();
    this.#current?.reject(error);
    this.#undecided?.reject(error);
    for (const caller of callers) caller.reject(error);
  }
}
