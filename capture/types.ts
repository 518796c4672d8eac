import type {
  Backoff,
  Constraints,
  Decision,
  DecisionNumbers,
  DecisionReason,
  Duration,
  EventRetry,
  EventTime,
  ExternalEventKind,
  JsonObject,
  RunTermination,
  SupervisorMode,
  Value,
} from "../supervisor/types.ts";

/** An event as it is recorded (EVT-5). The context is not in it: replay derives it again (REP-2). */
export interface ExternalEventRecord {
  /** The event's id. */
  event_id: string;
  /** When it happened. */
  event_time: EventTime;
  /** Its kind. */
  kind: ExternalEventKind;
  /** The bytes of its payload, each 0 to 255: one JSON object in UTF-8, or nothing. */
  payload: number[];
  /** SHA-256 of these bytes, as 64 lower-case hexadecimal digits (EVT-1). */
  payload_hash: string;
}

/** One value that an effect writes. */
export interface EffectWrite {
  /** The key that it is written to. */
  key: string;
  /** The value. Numbers are finite. */
  value: Value;
}

/** One field of an intent. */
export interface IntentField {
  /** The field's name. */
  name: string;
  /** Its value. Numbers are finite. */
  value: Value;
}

/** Something that is to be done outside. */
export interface IntentRecord {
  /** What kind of thing. */
  kind: string;
  /** Its id: see {@linkcode computeIntentId}. */
  intent_id: string;
  /** Its fields. */
  fields: IntentField[];
}

/** What an action did or wants done (EFX-2). */
export interface ActionEffect {
  /** `"set_context"`, or the kind of its intents. */
  kind: string;
  /** What it writes. */
  writes: EffectWrite[];
  /** What it wants done outside; left out when there is nothing. */
  intents?: IntentRecord[];
}

/** An effect with its hash. */
export interface CapturedActionEffect {
  /** The effect. */
  effect: ActionEffect;
  /** Its hash: see {@linkcode computeEffectHash} (EFX-1). */
  effect_hash: string;
}

/** The answer of an outside channel to an intent. */
export interface CapturedIntentAck {
  /** The intent. */
  intent_id: string;
  /** The channel that took it. */
  channel: string;
  /** What the channel said. */
  status: string;
  /** How firmly it was taken. */
  acceptance: string;
  /** The channel's own name for it. */
  egress_ref?: string;
}

/** One decision as the v3 format says it. */
export interface EpisodeInvocationRecord {
  /** The event that was decided on; for a run that a Pump started, the Pump (SCH-14). */
  event_id: string;
  /** What was decided. Bundles of format `"v3"` have no `Skip` and no `Finish`. */
  decision: Decision;
  /** When a deferred episode is due. */
  schedule_at: EventTime | null;
  /** The episode. */
  episode_id: number;
  /** How long attempts may take: as the event of the episode or the limits say. */
  deadline: Duration | null;
  /** How the episode ended, when it has. */
  termination: RunTermination | null;
  /** Attempts made beyond the first. */
  retry_count: number;
  /** What the episode did, filled in by the program that knows (EFX-5). */
  effects: CapturedActionEffect[];
  /** Answers to intents; left out when there are none. */
  intent_acks?: CapturedIntentAck[];
  /** Why handling the effects broke off; left out when it did not. */
  interruption?: string;
}

/** One decision as the format `"taffrail-v1"` says it: with its reason and the numbers behind it. */
export interface DecisionRecord extends EpisodeInvocationRecord {
  /** How the attempt ended whose end was decided on; `null` when the decision is about an event. */
  attempt_termination: RunTermination | null;
  /** Why it was decided so. */
  reason: DecisionReason;
  /** The numbers behind that. */
  numbers: DecisionNumbers;
  /** The event that the episode was made for; `null` for a Pump that found nothing due. */
  origin_event_id: string | null;
}

/** An event among the inputs of a `"taffrail-v1"` bundle. */
export interface EventInputRecord extends Omit<ExternalEventRecord, "payload"> {
  /** Tells it from a completion. */
  type: "event";
  /** The text of its payload: one JSON object, or nothing. */
  payload: string;
  /** Which attempt at the work its first attempt is, from 1; left out where that was not said. */
  first_attempt?: number;
  /** How its episode is tried, where the event says so itself: what is left out is as the limits say. */
  retry?: EventRetry;
}

/** The end of one attempt among the inputs of a `"taffrail-v1"` bundle. */
export interface CompletionInputRecord {
  /** Tells it from an event. */
  type: "completion";
  /** The episode. */
  episode_id: number;
  /** Which attempt: the first is 1. */
  attempt: number;
  /** How it ended. */
  termination: RunTermination;
  /** When it ended. */
  at: EventTime;
  /** What else was said of its end, its members in the order in which they were given; or left out. */
  end?: JsonObject;
}

/** A deferred episode that was taken out of the queue, among the inputs of a `"taffrail-v1"` bundle. */
export interface WithdrawInputRecord {
  /** Tells it from other inputs. */
  type: "withdraw";
  /** The episode. */
  episode_id: number;
  /** When. */
  at: EventTime;
}

/** One input of a `"taffrail-v1"` bundle. */
export type InputRecord = EventInputRecord | CompletionInputRecord | WithdrawInputRecord;

/** Something begins to wait: for a time, or for somebody to pass a gate. It is no episode. */
export interface WaitRecord {
  /** Tells it from other lines. */
  type: "wait";
  /** What waits. */
  id: string;
  /** What for. */
  kind: "sleep" | "gate";
  /** Since when. */
  at: EventTime;
  /** Until when at the latest, fixed when it was first asked for; left out when it waits for ever. */
  until?: EventTime;
}

/** What waited does so no more. */
export interface WaitedRecord {
  /** Tells it from other lines. */
  type: "waited";
  /** What has waited. */
  id: string;
  /** Whether somebody let it pass or refused to, or its time has come, as it should or too early. */
  how: "passed" | "denied" | "due" | "timeout";
  /** When that was found. */
  at: EventTime;
  /** The line of the inbox that says so. */
  inbox_line?: number;
  /** What came with it: any JSON. */
  value?: unknown;
  /** Who said so. */
  by?: string;
  /** By which way they said so; a program, where that is left out. */
  method?: "hook" | "human_cli" | "mcp_tool";
}

/** Something that a program wants to have recorded. */
export interface ProgramRecord {
  /** Tells it from other lines. */
  type: "record";
  /** Which record of the program it is. */
  id: string;
  /** When it was made. */
  at: EventTime;
  /** What it says: any JSON. */
  data: unknown;
}

/** The work of the session has ended. A session that is resumed behind that goes on all the same. */
export interface EndedRecord {
  /** Tells it from other lines. */
  type: "ended";
  /** When. */
  at: EventTime;
  /** How. */
  state: "Completed" | "Aborted";
  /** Why it was aborted, for people. */
  reason?: string;
  /** What failed first, if something did. */
  failed?: string;
  /** What was not begun, each with the reason. */
  skipped?: Record<string, string>;
  /** What it gives: any JSON. */
  output?: unknown;
}

/** What {@linkcode CapturingSession.note} records besides inputs and decisions, which do not depend on it. */
export type NoteRecord = WaitRecord | WaitedRecord | ProgramRecord | EndedRecord;

/** Another process went on with the session. */
export interface ResumedRecord {
  /** Tells it from other lines. */
  type: "resumed";
  /** The runtime that runs the graph from then on. */
  runtime_provenance: string;
  /** What of the graph is not as it was, by name. */
  changed: string[];
  /** The process. */
  pid: number;
  /** Its machine, where it was allowed to ask. */
  host?: string;
  /** When it began, in the clock ticks of the system, where it could tell. */
  start_time?: number;
  /** The boot that this counts from. */
  boot_id?: string;
}

/** One of the further records of a bundle, and where it stood. */
export type BundleNote = (NoteRecord | ResumedRecord) & {
  /** How many inputs and decisions were recorded before it. */
  after: number;
};

/** What both formats of a bundle say about where it comes from. */
export interface BundleProvenance {
  /** The adapter that the events came through; `"none"` without one. */
  adapter_provenance: string;
  /** The runtime that ran the graph. */
  runtime_provenance: string;
  /** The configuration of the outside channels. */
  egress_provenance?: string;
}

/** A recorded session in the v3 format, which the original program reads too. */
export interface V3CaptureBundle extends BundleProvenance {
  /** The format: `"v3"`. Others can be parsed when they look like it, but not replayed (RPL-1). */
  capture_version: string;
  /** The graph. */
  graph_id: string;
  /** The limits. */
  config: Constraints;
  /** Every event, in the order in which they were taken. */
  events: ExternalEventRecord[];
  /** Every decision, in order: one an event. */
  decisions: EpisodeInvocationRecord[];
}

/** A recorded session in the format of this project, for everything that v3 cannot say. */
export interface TaffrailCaptureBundle extends BundleProvenance {
  /** The format. */
  capture_version: "taffrail-v1";
  /** The graph. */
  graph_id: string;
  /** The mode. */
  mode: SupervisorMode;
  /** The limits. */
  config: Constraints;
  /** The bound of the deferred queue, if any. */
  max_deferred: number | null;
  /** How long retries wait, if they do. */
  backoff: Backoff | null;
  /** Whether values were replaced before recording: re-executed runs see the replaced ones. */
  redacted: boolean;
  /** Every event, every end of an attempt and every withdrawal, in the order in which they were taken. */
  inputs: InputRecord[];
  /**
   * Every decision, in order: in `"concurrent"` mode one an input, in `"serial"` mode one an event and one a
   * withdrawal.
   */
  decisions: DecisionRecord[];
  /** What was recorded besides, in order; left out when there is nothing. */
  notes?: BundleNote[];
}

/** A recorded session, equal to its JSON. `"inputs" in bundle` tells the two formats apart. */
export type CaptureBundle = V3CaptureBundle | TaffrailCaptureBundle;

/** How a bundle is laid out: on one line, or with two spaces for each level. */
export type CaptureStyle = "compact" | "pretty";
