import type { NodeAttempt } from "../../run/mod.ts";

/**
 * The id of the event that asks for a node: the node's own, and when the run was resumed and the node
 * has to be run again, with the number of the first attempt that the event leads to: `test#3`.
 */
export function nodeEventId({ nodeId, attempt }: NodeAttempt): string {
  return attempt === 1 ? nodeId : `${nodeId}#${attempt}`;
}

/** The node that an event asks for. */
export function nodeOfEvent(eventId: string): string {
  return firstAttemptOf(eventId).nodeId;
}

/** The attempt at a node that an attempt of an event's episode is. */
export function nodeAttemptOf(eventId: string, attempt: number): NodeAttempt {
  const first = firstAttemptOf(eventId);
  return { nodeId: first.nodeId, attempt: first.attempt + attempt - 1 };
}

/** Node ids have no `#`. */
function firstAttemptOf(eventId: string): NodeAttempt {
  const [nodeId = "", number = "1"] = eventId.split("#");
  return { nodeId, attempt: Number(number) };
}
