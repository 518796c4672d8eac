/**
 * Has a run followed: by its trace, and by whoever makes spans of it. What is always true:
 *
 * - **The engine knows nothing of who follows**: they are told what it tells its observer, before that, and what it
 *   asks to be made is made by way of them.
 * - Without anybody to follow, nothing is added, and nothing costs anything.
 */
import type { EngineObserver, EngineOptions, MakeAttempt, RunFollower } from "./types.ts";

/** The options of an engine whose run is followed. */
export function followed(
  options: EngineOptions,
  followers: readonly RunFollower[],
): EngineOptions {
  if (followers.length === 0) return options;
  const { invoke, onDecided, observer } = options;
  const deciders = followers.filter(({ decided }) => decided !== undefined);
  const makers = followers.filter(({ making }) => making !== undefined);
  return {
    ...options,
    span: followers.find(({ span }) => span !== undefined)?.span,
    ...(makers.length > 0 && {
      invoke: (request, attempt) => {
        const make: MakeAttempt = (attempt) => invoke(request, attempt);
        const surrounded = makers.reduceRight<MakeAttempt>((inner, follower) => {
          return (attempt) => follower.making!(attempt, inner);
        }, make);
        return surrounded(attempt);
      },
    }),
    ...(deciders.length > 0 && {
      onDecided: (decided) => {
        for (const follower of deciders) follower.decided!(decided);
        onDecided(decided);
      },
    }),
    observer: observedBy([...followers, observer]),
  };
}

/** Tells all of them. */
function observedBy(observers: readonly EngineObserver[]): EngineObserver {
  return {
    attemptBegan(attempt, begin) {
      for (const observer of observers) observer.attemptBegan(attempt, begin);
    },
    attemptEnded(attempt, end) {
      for (const observer of observers) observer.attemptEnded(attempt, end);
    },
    gateWaits(gate, wait) {
      for (const observer of observers) observer.gateWaits?.(gate, wait);
    },
    gateEnded(gate, waited) {
      for (const observer of observers) observer.gateEnded?.(gate, waited);
    },
    waitEnded(wait, waited) {
      for (const observer of observers) observer.waitEnded?.(wait, waited);
    },
  };
}

/** Tells all who follow that the run has ended; the first error is thrown when all were told. */
export async function finishAll(
  followers: readonly RunFollower[],
  reason?: string,
): Promise<void> {
  const told = await Promise.allSettled(followers.map((follower) => follower.finish(reason)));
  for (const result of told) if (result.status === "rejected") throw result.reason;
}

/** Where every copy of the API of OpenTelemetry, from its first stable version on, keeps what was registered. */
export const API = Symbol.for("opentelemetry.js.api.1");

/** Whether somebody makes spans in this process: then runs are followed by what is loaded for that, and only then. */
export function hasTelemetry(): boolean {
  const registered = Reflect.get(globalThis, API) as
    | { trace?: { getTracer?: unknown } }
    | undefined;
  return typeof registered?.trace?.getTracer === "function";
}
