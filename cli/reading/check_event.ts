import { isKnownRunEvent, type RunEvent } from "../../eventlog/run_event.ts";

/**
 * What keeps a JSON object from being an event that can be shown: members that are missing or of
 * another kind. Any program may write to a log.
 */
export function runEventProblem(event: RunEvent): string | undefined {
  const missing = ["type", "id", "ts", "run_id"].find((name) => !isText(event, name));
  if (missing !== undefined) return `the event has no text as "${missing}"`;
  if (!isKnownRunEvent(event)) return undefined;
  switch (event.type) {
    case "pipe.started":
      if (!isText(event, "pipe")) return 'the event has no text as "pipe"';
      return event.nodes === undefined || isTexts(event.nodes)
        ? undefined
        : 'the event has something else than texts as "nodes"';
    case "pipe.completed":
      return undefined;
    case "pipe.aborted":
      return isText(event, "reason") ? undefined : 'the event has no text as "reason"';
    case "node.failed":
      if (!isText(event.error, "kind")) return 'the event has no kind of "error"';
      break;
  }
  return isText(event, "node_id") ? undefined : 'the event has no text as "node_id"';
}

function isText(value: unknown, name: string): boolean {
  return typeof value === "object" && value !== null &&
    typeof (value as Record<string, unknown>)[name] === "string";
}

function isTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}
