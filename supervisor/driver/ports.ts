import { checkInteger } from "../core/check.ts";
import { compareTimes, durationOfMs, ZERO } from "../core/event_time.ts";
import type { Rules } from "../core/rules.ts";
import type { Duration, SupervisorPorts } from "../types.ts";

const DEFAULT_GRACE_MS = 5_000;

/** Refuses ports that would fail later, and says how long attempts may take. */
export function checkPorts(
  ports: SupervisorPorts,
  { mode, constraints: { deadline } }: Rules,
): { deadline: Duration | null; grace: Duration } {
  const { decisionLog, invoker, timers, deadlineGraceMs = DEFAULT_GRACE_MS } = ports;
  checkMethods(decisionLog, "decisionLog", ["log"]);
  checkMethods(invoker, "invoker", ["run"]);
  if (ports.inputLog !== undefined) checkMethods(ports.inputLog, "inputLog", ["record"]);
  if (timers !== undefined) checkMethods(timers, "timers", ["now", "setTimer"]);
  const grace = durationOfMs(checkInteger(deadlineGraceMs, "deadlineGraceMs"));
  if (deadline === null || compareTimes(deadline, ZERO) === 0) return { deadline: null, grace };
  if (timers === undefined && mode === "concurrent") {
    throw new TypeError("Cannot keep constraints.deadline: give timers, such as systemTimers");
  }
  return { deadline: timers === undefined ? null : deadline, grace };
}

function checkMethods(port: object, name: string, methods: readonly string[]): void {
  for (const method of methods) {
    const found: unknown = (port as Record<string, unknown> | undefined)?.[method];
    if (typeof found !== "function") {
      throw new TypeError(`Cannot use ${name}: it has no method ${method}`);
    }
  }
}
