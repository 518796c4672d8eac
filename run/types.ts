/** One attempt at a node of a run, however often that was resumed. */
export interface NodeAttempt {
  /** The node. */
  nodeId: string;
  /** Which attempt at it: the first of the run is 1. */
  attempt: number;
}
