/** What stays of the documents of a run. */
import { defined } from "../../_internal/errors.ts";
import { parseRunFile, type RunFile } from "../../_internal/run_folder.ts";
import { encodeUtf8 } from "../../_internal/text.ts";
import { type FlowRecord, type NodeRecord, provenanceOfRecord } from "../flow/flow_record.ts";
import { type KeepMembers, keepMembers, keepNumber, keepText, MASK } from "./masks.ts";

const RUN: KeepMembers = {
  format: keepNumber,
  name: keepText,
  created_at: keepText,
  taffrail_version: keepText,
  version: keepText,
};

/** What stays of a `run.json`, which also says that it is what stays. Throws for what is none. */
export function redactRunFile(bytes: Uint8Array): Uint8Array {
  const redacted: Pick<RunFile, "redacted"> = { redacted: true };
  return documentBytes({ ...keepMembers(parseRunFile(bytes), RUN), ...redacted });
}

/** What stays of a flow, its digest among it: one that was not right is not right either. */
export async function redactFlow(record: FlowRecord): Promise<FlowRecord> {
  const { path, made_by, tasks, args, only, skip, terminal, name, constraints } = record;
  const { on_failure, deadline_ms } = record;
  const hidden = tasks && {
    ...tasks,
    arguments: tasks.arguments.map(() => MASK),
    cwd: MASK,
    ...(tasks.filter !== undefined && { filter: MASK }),
  };
  const redacted: FlowRecord = {
    format: 1,
    path: path === null ? null : MASK,
    ...defined({ made_by, terminal, tasks: hidden }),
    name,
    provenance: "",
    constraints,
    nodes: record.nodes.map(redactNode),
    ...defined({ args: args?.map(() => MASK), only, skip, on_failure, deadline_ms }),
  };
  const isRight = await provenanceOfRecord(record) === record.provenance;
  const provenance = isRight ? await provenanceOfRecord(redacted) : "rpv1:redacted";
  return { ...redacted, provenance };
}

/** The text of a document. */
export function documentBytes(document: object): Uint8Array {
  return encodeUtf8(`${JSON.stringify(document, null, 2)}\n`);
}

function redactNode(node: NodeRecord): NodeRecord {
  const { id, run, needs, timeout_ms, task, when, allow_failure, retry, gate, on } = node;
  return {
    ...{ id, run: run.length === 0 ? [] : [MASK], needs, env: [], cwd: MASK },
    // As of one in which secret values stood, nobody can tell any more what it was.
    ...(run.length > 0 && { masked: true }),
    ...defined({ timeout_ms, task, when, allow_failure, retry }),
    ...defined({ gate: gate === undefined ? undefined : MASK, on: on?.map(() => MASK) }),
  };
}
