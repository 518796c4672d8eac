/**
 * A collector of OpenTelemetry's spans on loopback: a real HTTP server that takes what exporters send, in JSON or in
 * Protobuf, and gives it as spans.
 */

/** A span that has arrived. */
export interface TakenSpan {
  traceId: string;
  spanId: string;
  /** Empty where it has none. */
  parentSpanId: string;
  name: string;
  /** As the protocol counts them: 1 is inside of a process, 2 a server. */
  kind: number;
  /** Milliseconds since 1970. */
  from: number;
  to: number;
  attributes: Record<string, unknown>;
  /** The names of its events. */
  events: string[];
  /** By span, what the link is for. */
  links: Record<string, unknown>;
  /** 2 is an error. */
  status: { code: number; message: string };
  /** What made it. */
  scope: string;
  /** What is told of the process. */
  resource: Record<string, unknown>;
}

/** What a request brought besides spans. */
export interface TakenRequest {
  path: string;
  headers: Record<string, string>;
}

/** Takes spans. */
export class OtlpCollector implements AsyncDisposable {
  readonly spans: TakenSpan[] = [];
  readonly requests: TakenRequest[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  /** `answer`: what it says to each request instead of taking it. */
  constructor(answer?: () => Response | Promise<Response>) {
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen() {} },
      async (request) => {
        const { pathname: path } = new URL(request.url);
        this.requests.push({ path, headers: Object.fromEntries(request.headers) });
        const body = new Uint8Array(await request.arrayBuffer());
        if (answer !== undefined) return await answer();
        const isJson = request.headers.get("content-type") === "application/json";
        if (path === "/v1/traces") this.spans.push(...isJson ? fromJson(body) : fromProtobuf(body));
        return new Response(isJson ? "{}" : new Uint8Array(), {
          headers: { "content-type": request.headers.get("content-type") ?? "" },
        });
      },
    );
  }

  /** Its address. */
  get url(): string {
    return `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** The variables by which a program finds it. */
  get env(): Record<string, string> {
    return { OTEL_EXPORTER_OTLP_ENDPOINT: this.url };
  }

  /** The only span of a name. */
  span(name: string): TakenSpan {
    const [found, ...more] = this.spans.filter((span) => span.name === name);
    if (found === undefined || more.length > 0) {
      const names = this.spans.map(({ name }) => name).join(", ");
      throw new Error(`There are ${more.length + Number(found !== undefined)} ${name}: ${names}`);
    }
    return found;
  }

  /** The only span of a node or run inside of another. */
  child(parent: TakenSpan, name: string): TakenSpan {
    const children = this.spans.filter(({ parentSpanId }) => parentSpanId === parent.spanId);
    const [found, ...more] = children.filter((span) => span.name === name);
    if (found === undefined || more.length > 0) {
      const names = children.map(({ name }) => name).join(", ");
      throw new Error(`There is not one ${name} in ${parent.name}: ${names}`);
    }
    return found;
  }

  /** All spans by their names, each indented below its parent, in the order in which they began. */
  outline(): string[] {
    const ids = new Set(this.spans.map(({ spanId }) => spanId));
    const below = (parent: string, depth: number): string[] => {
      return this.spans
        .filter(({ parentSpanId }) => (ids.has(parentSpanId) ? parentSpanId : "") === parent)
        .toSorted((a, b) => a.from - b.from)
        .flatMap(({ name, spanId }) => {
          return [`${"  ".repeat(depth)}${name}`, ...below(spanId, depth + 1)];
        });
    };
    return below("", 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }
}

type Json = Record<string, unknown>;

function fromJson(body: Uint8Array): TakenSpan[] {
  const { resourceSpans } = JSON.parse(new TextDecoder().decode(body)) as { resourceSpans: Json[] };
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    return (scopeSpans as Json[]).flatMap(({ scope, spans }) => {
      return (spans as Json[]).map((span): TakenSpan => ({
        traceId: String(span.traceId),
        spanId: String(span.spanId),
        parentSpanId: String(span.parentSpanId ?? ""),
        name: String(span.name),
        kind: Number(span.kind),
        from: Number(span.startTimeUnixNano) / 1e6,
        to: Number(span.endTimeUnixNano) / 1e6,
        attributes: attributesIn(span.attributes),
        events: (span.events as Json[]).map(({ name }) => String(name)),
        links: Object.fromEntries((span.links as Json[]).map((link) => {
          return [String(link.spanId), attributesIn(link.attributes)["taffrail.link"]];
        })),
        status: { code: 0, message: "", ...span.status as object },
        scope: String((scope as Json).name),
        resource: attributesIn((resource as Json).attributes),
      }));
    });
  });
}

function attributesIn(pairs: unknown): Record<string, unknown> {
  return Object.fromEntries(
    (pairs as { key: string; value: Json }[] ?? []).map(({ key, value }) => {
      const [text] = Object.values(value);
      return [key, "intValue" in value ? Number(text) : text];
    }),
  );
}

/** One field of a message of Protobuf: a number, or bytes. */
type Field = [number: number, value: number | Uint8Array];

/** The fields of a message, in order; of 64 bits as much is kept as a number can hold. */
function fieldsOf(bytes: Uint8Array): Field[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: Field[] = [];
  let at = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n;; shift += 7n) {
      const byte = bytes[at++]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return Number(BigInt.asIntN(64, value));
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, type] = [key >> 3, key & 7];
    if (type === 0) fields.push([number, varint()]);
    else if (type === 1) {
      fields.push([number, Number(view.getBigUint64(at, true))]);
      at += 8;
    } else if (type === 5) {
      fields.push([number, view.getUint32(at, true)]);
      at += 4;
    } else if (type === 2) {
      const length = varint();
      fields.push([number, bytes.subarray(at, at + length)]);
      at += length;
    } else throw new Error(`There is no type ${type} in Protobuf`);
  }
  return fields;
}

const decoder = new TextDecoder();

/** A message by its fields, of each of which there may be several. */
class Message {
  readonly #fields: Field[];

  constructor(bytes: Uint8Array) {
    this.#fields = fieldsOf(bytes);
  }

  all(number: number): Message[] {
    return this.#bytes(number).map((bytes) => new Message(bytes));
  }

  text(number: number): string {
    return this.#bytes(number).map((bytes) => decoder.decode(bytes)).join("");
  }

  hex(number: number): string {
    return this.#bytes(number).map((bytes) => bytes.toHex()).join("");
  }

  number(number: number): number {
    const value = this.#fields.find(([field]) => field === number)?.[1];
    return typeof value === "number" ? value : 0;
  }

  /** The pairs of a field, of whose values only texts and numbers are looked at. */
  pairs(number: number): Record<string, unknown> {
    return Object.fromEntries(
      this.all(number).map((pair) => {
        const [value] = pair.all(2);
        const isText = value!.#fields.some(([field]) => field === 1);
        return [pair.text(1), isText ? value!.text(1) : value!.number(3)];
      }),
    );
  }

  #bytes(number: number): Uint8Array[] {
    return this.#fields.flatMap(([field, value]) => {
      return field === number && typeof value !== "number" ? [value] : [];
    });
  }
}

/** The numbers of the fields are those of `opentelemetry/proto/trace/v1/trace.proto`. */
function fromProtobuf(body: Uint8Array): TakenSpan[] {
  return new Message(body).all(1).flatMap((ofResource) => {
    const resource = ofResource.all(1)[0]?.pairs(1) ?? {};
    return ofResource.all(2).flatMap((ofScope) => {
      const scope = ofScope.all(1)[0]?.text(1) ?? "";
      return ofScope.all(2).map((span): TakenSpan => ({
        traceId: span.hex(1),
        spanId: span.hex(2),
        parentSpanId: span.hex(4),
        name: span.text(5),
        kind: span.number(6),
        from: span.number(7) / 1e6,
        to: span.number(8) / 1e6,
        attributes: span.pairs(9),
        events: span.all(11).map((event) => event.text(2)),
        links: Object.fromEntries(
          span.all(13).map((link) => {
            return [link.hex(2), link.pairs(4)["taffrail.link"]];
          }),
        ),
        status: {
          code: span.all(15)[0]?.number(3) ?? 0,
          message: span.all(15)[0]?.text(2) ?? "",
        },
        scope,
        resource,
      }));
    });
  });
}
