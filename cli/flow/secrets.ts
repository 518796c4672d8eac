import type { SecretMask } from "../process/secret_mask.ts";
import type { Flow, FlowNode } from "./flow.ts";
import type { DigestKey, ValueDigests } from "./value_digests.ts";

/**
 * A flow of which nothing is recorded that holds the value of a secret variable.
 *
 * @param flow The flow, which may name some itself.
 * @param names The names of further ones.
 */
export async function withSecrets(flow: Flow, names: readonly string[]): Promise<Flow> {
  const secrets = [...new Set([...flow.secrets, ...names])];
  const secretFlow = { ...flow, secrets };
  const mask = await maskOf(secretFlow);
  if (mask === undefined) return secretFlow;
  return { ...secretFlow, nodes: flow.nodes.map((node) => withoutSecrets(node, mask)) };
}

/** What takes the values of its secret variables out of whatever is kept of a flow, if it has any. */
export async function maskOf(
  { secrets, nodes }: { secrets: readonly string[]; nodes: readonly FlowNode[] },
): Promise<SecretMask | undefined> {
  const own = await headerSecrets();
  if (secrets.length === 0 && own.length === 0) return undefined;
  const { SecretMask } = await import("../process/secret_mask.ts");
  const values = secrets.flatMap((name) => [
    Deno.env.get(name) ?? "",
    ...nodes.map(({ env }) => env[name] ?? ""),
  ]);
  const mask = new SecretMask([...values, ...own]);
  return mask.isEmpty ? undefined : mask;
}

/** What opens the backend of spans, where one is named: commands find it in their environment, and may print that. */
export async function headerSecrets(): Promise<string[]> {
  if (!OTLP_HEADERS.some((name) => Deno.env.get(name))) return [];
  return (await import("../telemetry/otel_variables.ts")).headerSecrets();
}

const OTLP_HEADERS = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];

/** The digests of the values of a flow's variables; undefined where it has none, and no key is needed. */
export async function digestsOf(
  { nodes }: Flow,
  digestKey: () => Promise<DigestKey>,
): Promise<ValueDigests | undefined> {
  if (nodes.every(({ env }) => Object.keys(env).length === 0)) return undefined;
  const { ValueDigests } = await import("./value_digests.ts");
  return await ValueDigests.of(nodes, await digestKey());
}

/** Names secret variables that have a value nowhere: whoever misspelt one should know that nothing is masked. */
export function secretNotes({ secrets, nodes }: Flow): string[] {
  return secrets
    .filter((name) => !Deno.env.get(name) && nodes.every(({ env }) => !env[name]))
    .map((name) => `the secret ${name} has no value: nothing is masked`);
}

function withoutSecrets(node: FlowNode, mask: SecretMask): FlowNode {
  const recordedRun = node.run.map((word) => mask.text(word));
  const isMasked = recordedRun.some((word, index) => word !== node.run[index]);
  const taskText = node.taskText === undefined ? {} : { taskText: mask.text(node.taskText) };
  return isMasked ? { ...node, ...taskText, recordedRun } : node;
}
