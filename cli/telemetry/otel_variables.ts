/**
 * What the environment says of where spans are sent, by the names of OpenTelemetry's specification, as far as it is not
 * for the exporter alone to know.
 */
/** What is for spans alone goes before what is for all of telemetry. */
const ENDPOINTS = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"] as const;
const PROTOCOLS = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] as const;
const TIMEOUTS = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"] as const;

/** How spans can be sent. */
export type OtlpProtocol = "http/protobuf" | "http/json";

/** Where and how to send spans. */
export interface OtlpTarget {
  /** The address, without what is secret in it, for people. */
  shown: string;
  protocol: OtlpProtocol;
  /** How long sending may take, in milliseconds, where that is said. */
  timeoutMs: number | undefined;
}

/** Whether spans are to be sent: somewhere, and not switched off. */
export function wantsSpansSent(): boolean {
  if (first(ENDPOINTS) === undefined) return false;
  if (variable("OTEL_SDK_DISABLED")?.toLowerCase() === "true") return false;
  const exporters = variable("OTEL_TRACES_EXPORTER")?.split(",").map((name) => name.trim());
  return exporters === undefined || exporters.includes("otlp");
}

/** Where and how, or what is wrong with what is said of that. */
export function otlpTarget(): OtlpTarget | { problem: string } {
  const [name, endpoint] = first(ENDPOINTS)!;
  // What stands in front of an @ may be a password.
  const url = URL.parse(endpoint);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return { problem: `${name} is no address that begins with http:// or https://` };
  }
  const { origin, pathname } = url;
  const isOfTraces = name === ENDPOINTS[0];
  const path = isOfTraces ? pathname : `${pathname.replace(/\/$/, "")}/v1/traces`;
  const [protocolName, protocol] = first(PROTOCOLS) ?? ["", "http/protobuf"];
  if (protocol !== "http/protobuf" && protocol !== "http/json") {
    return {
      problem: `${protocolName} is "${protocol}", and http/protobuf or http/json is known here`,
    };
  }
  const timeoutMs = Number(first(TIMEOUTS)?.[1]);
  return {
    shown: `${origin}${path}`,
    protocol,
    timeoutMs: timeoutMs > 0 ? timeoutMs : undefined,
  };
}

/** The first of some variables that is set, with its name. */
function first<Name extends string>(
  names: readonly Name[],
): [name: Name, value: string] | undefined {
  for (const name of names) {
    const value = variable(name);
    if (value !== undefined) return [name, value];
  }
  return undefined;
}

/** A variable; one that is empty is not set, as the specification has it. */
function variable(name: string): string | undefined {
  const value = Deno.env.get(name)?.trim();
  return value === "" ? undefined : value;
}
