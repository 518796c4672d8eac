import { addDuration, durationOfMs } from "./event_time.ts";
import type { Duration, RunRequest, RunTermination, RuntimeInvoker, Timers } from "./types.ts";

/** Time for a re-execution. */
export interface LiveTime {
  /** The clock. */
  timers: Timers;
  /** How long an invoker may take to answer after its deadline, in milliseconds. */
  deadlineGraceMs: number;
}

/** An invoker whose attempts end by their deadline, as a supervisor with timers ends them. */
export function withDeadlines(invoker: RuntimeInvoker, time: LiveTime): RuntimeInvoker {
  return {
    run: (request) => {
      const { deadline } = request;
      if (deadline === undefined || isZero(deadline)) return invoker.run(request);
      return runUntil(deadline, { invoker, request, time });
    },
  };
}

function isZero({ secs, nanos }: Duration): boolean {
  return secs === 0 && nanos === 0;
}

function runUntil(
  deadline: Duration,
  run: { invoker: RuntimeInvoker; request: RunRequest; time: LiveTime },
): Promise<RunTermination> {
  const { invoker, request, time: { timers, deadlineGraceMs } } = run;
  const controller = new AbortController();
  const signal = AbortSignal.any([request.signal, controller.signal]);
  const { promise, resolve, reject } = Promise.withResolvers<RunTermination>();
  const giveUp = () => resolve("TimedOut");
  let cancel = timers.setTimer(addDuration(timers.now(), deadline), () => {
    cancel = timers.setTimer(addDuration(timers.now(), durationOfMs(deadlineGraceMs)), giveUp);
    controller.abort(new DOMException("The deadline of the attempt has passed", "TimeoutError"));
  });
  const answer = async () => await invoker.run({ ...request, signal });
  answer().then(resolve, reject).finally(() => cancel());
  return promise;
}
