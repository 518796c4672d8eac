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
  const own = headerSecrets();
  if (secrets.length === 0 && own.length === 0) return undefined;
  const { SecretMask } = await import("../process/secret_mask.ts");
  const values = secrets.flatMap((name) => [
    Deno.env.get(name) ?? "",
    ...nodes.map(({ env }) => env[name] ?? ""),
  ]);
  const mask = new SecretMask([...values, ...own]);
  return mask.isEmpty ? undefined : mask;
}

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

const OTLP_HEADERS = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];
/** Headers that name a tenant or a place, and open nothing. */
const PUBLIC_HEADERS = new Set([
  "content-type",
  "user-agent",
  "x-honeycomb-dataset",
  "x-scope-orgid",
]);
/** What is shorter stands in many outputs, and keeps nobody out. */
const SHORTEST_SECRET = 6;

/**
 * What opens the backend of spans, where one is named, as it stands there and as it is sent: commands find it in their
 * environment, and may print that.
 */
export function headerSecrets(): string[] {
  const secrets: string[] = [];
  for (const name of OTLP_HEADERS) {
    for (const pair of Deno.env.get(name)?.split(",") ?? []) {
      const [, key, value] = /^\s*([^=\s]+)\s*=\s*(.*?)\s*$/s.exec(pair) ?? [];
      if (value === undefined || PUBLIC_HEADERS.has(key!.toLowerCase())) continue;
      const sent = decoded(value);
      // A scheme such as Basic or Bearer is none, and what follows it is one alone.
      secrets.push(value, sent, sent.replace(/^\w+\s+/, ""), value.replace(/^\w+(?:\s|%20)+/, ""));
    }
  }
  return secrets.filter((secret) => secret.length >= SHORTEST_SECRET);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
