/** What the supervisor's tests share: short ways to say events, sessions and entries. */
import {
  type ConstraintsInit,
  createEvent,
  type DecisionLogEntry,
  type EventTime,
  type ExternalEvent,
  type ExternalEventKind,
  FaultInvoker,
  MemoryDecisionLog,
  type RunRequest,
  type RunTermination,
  type RuntimeInvoker,
  Supervisor,
  type SupervisorOptions,
} from "../../supervisor/mod.ts";

/** Event time, or a duration, in seconds. */
export function at(secs: number, nanos = 0): EventTime {
  return { secs, nanos };
}

/** An event of any kind. */
export function event(
  id: string,
  time: number | EventTime = 0,
  { kind = "Command", payload = "" }: { kind?: ExternalEventKind; payload?: string } = {},
): ExternalEvent {
  return createEvent({ id, kind, at: typeof time === "number" ? at(time) : time, payload });
}

/** A Pump. */
export function pump(id: string, time: number | EventTime = 0): ExternalEvent {
  return event(id, time, { kind: "Pump" });
}

/** An invoker that notes what it is asked to run. */
export class SpyInvoker implements RuntimeInvoker {
  readonly requests: RunRequest[] = [];
  readonly #inner: RuntimeInvoker;

  constructor(inner: RuntimeInvoker = new FaultInvoker()) {
    this.#inner = inner;
  }

  run(request: RunRequest): ReturnType<RuntimeInvoker["run"]> {
    this.requests.push(request);
    return this.#inner.run(request);
  }
}

/** An invoker whose answers the test gives, in any order. */
export class HeldInvoker implements RuntimeInvoker {
  readonly requests: RunRequest[] = [];
  readonly #answers = new Map<string, PromiseWithResolvers<RunTermination>>();

  run(request: RunRequest): Promise<RunTermination> {
    const answer = Promise.withResolvers<RunTermination>();
    this.requests.push(request);
    this.#answers.set(`${request.eventId}#${request.attempt}`, answer);
    return answer.promise;
  }

  /** Answers an attempt, the first one unless said otherwise. */
  answer(eventId: string, termination: RunTermination = "Completed", attempt = 1): void {
    this.#answers.get(`${eventId}#${attempt}`)!.resolve(termination);
  }

  /** Lets an attempt throw. */
  throw(eventId: string, error: unknown, attempt = 1): void {
    this.#answers.get(`${eventId}#${attempt}`)!.reject(error);
  }
}

/** Options with everything that a test does not care about. */
export function options(
  constraints: Partial<ConstraintsInit>,
  rest: Partial<SupervisorOptions> = {},
): SupervisorOptions & { decisionLog: MemoryDecisionLog } {
  return {
    graphId: "g",
    invoker: new FaultInvoker(),
    ...rest,
    constraints: { max_retries: 0, ...constraints },
    decisionLog: new MemoryDecisionLog(),
  };
}

/** The entries of a serial session of its own. */
export async function entriesOf(
  constraints: Partial<ConstraintsInit>,
  events: readonly ExternalEvent[],
  rest: Partial<SupervisorOptions> = {},
): Promise<readonly DecisionLogEntry[]> {
  const given = options(constraints, rest);
  const supervisor = new Supervisor(given);
  for (const one of events) await supervisor.onEvent(one);
  await supervisor.close();
  return given.decisionLog.entries;
}

/** An entry as one line: `e2 Defer@10 ep1`, the way the golden schedules are written down. */
export function schedule(entries: readonly DecisionLogEntry[]): string[] {
  return entries.map(({ event_id, decision, schedule_at, episode_id }) => {
    const time = decision === "Defer" ? `@${schedule_at?.secs ?? "null"}` : "";
    return `${event_id} ${decision}${time} ep${episode_id}`;
  });
}

/** An entry as the seed's capture writes it. */
export function wireText(entry: DecisionLogEntry): string {
  const { event_id, decision, schedule_at, episode_id, deadline, termination, retry_count } = entry;
  return JSON.stringify({
    event_id,
    decision,
    schedule_at,
    episode_id,
    deadline,
    termination,
    retry_count,
    effects: [],
  });
}

/** Lets everything go on that is ready to. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
