/** Not written into the import, so that a type check of this project does not fetch it. */
const SPECIFIER = "npm:@opentelemetry/sdk-trace-base@2.12.1";

interface Span {
  setAttribute(name: string, value: string | number): void;
  end(): void;
}

interface Exporter {
  getFinishedSpans(): unknown[];
  reset(): void;
}

interface Sdk {
  InMemorySpanExporter: new () => Exporter;
  SimpleSpanProcessor: new (exporter: Exporter) => unknown;
  BasicTracerProvider: new (options: { spanProcessors: unknown[] }) => {
    getTracer(name: string): {
      startSpan(name: string, options: { attributes: Record<string, string | number> }): Span;
    };
  };
}

/** OpenTelemetry's tracer, which hands every ended span to an exporter that keeps it in memory. */
export interface SpanTracer {
  startSpan(name: string, attributes: Record<string, string | number>): Span;
  /** How many spans were kept; they are forgotten. */
  takeCount(): number;
}

/** Loads OpenTelemetry's SDK and makes a tracer. */
export async function loadSpanTracer(): Promise<SpanTracer> {
  const sdk = await import(SPECIFIER) as Sdk;
  const exporter = new sdk.InMemorySpanExporter();
  const provider = new sdk.BasicTracerProvider({
    spanProcessors: [new sdk.SimpleSpanProcessor(exporter)],
  });
  const tracer = provider.getTracer("bench");
  return {
    startSpan: (name, attributes) => tracer.startSpan(name, { attributes }),
    takeCount() {
      const { length } = exporter.getFinishedSpans();
      exporter.reset();
      return length;
    },
  };
}
