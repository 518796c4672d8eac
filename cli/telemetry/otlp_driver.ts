/** All that is loaded of others to send spans, in one file of what is published. */
import "./node_require.ts";
// Named first, so that all of them are given the one version that all of them take.
import "@opentelemetry/api";
export { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
export type {
  IdGenerator,
  ReadableSpan,
  SpanExporter,
  SpanProcessor,
} from "@opentelemetry/sdk-trace-base";
export { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
export { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
export {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from "@opentelemetry/resources";
