/**
 * Digests of the values of variables, which are not recorded themselves: whoever goes on with a run is told
 * which are other ones now. They are keyed, so that nobody who reads the records can find a value by trying.
 */
import { encodeUtf8, toHex } from "../../_internal/text.ts";
import type { FlowNode } from "./flow.ts";

/** The key of a root. */
export interface DigestKey {
  /** What it is called in records. */
  id: string;
  key: Uint8Array;
}

/** The digests of the variables of nodes. */
export class ValueDigests {
  /** What the key is called that they were made with. */
  readonly keyId: string;
  readonly #digests: ReadonlyMap<string, string>;

  private constructor(keyId: string, digests: ReadonlyMap<string, string>) {
    this.keyId = keyId;
    this.#digests = digests;
  }

  /** Those of the variables of these nodes. */
  static async of(nodes: readonly FlowNode[], { id, key }: DigestKey): Promise<ValueDigests> {
    const texts = new Set(nodes.flatMap(({ env }) => digested(env).map(textOf)));
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const imported = await crypto.subtle.importKey("raw", new Uint8Array(key), hmac, false, [
      "sign",
    ]);
    const digests = new Map<string, string>();
    for (const text of texts) {
      const digest = await crypto.subtle.sign("HMAC", imported, encodeUtf8(text));
      digests.set(text, toHex(new Uint8Array(digest)));
    }
    return new ValueDigests(id, digests);
  }

  /** The digests of the variables of a node, by their names. */
  ofNode({ env }: FlowNode): Record<string, string> {
    const names = digested(env).toSorted(([a], [b]) => a < b ? -1 : 1);
    return Object.fromEntries(names.map((entry) => [entry[0], this.#digests.get(textOf(entry))!]));
  }
}

/** Of which span a run is a part is another one each time, and changes nothing. */
const NOT_DIGESTED: readonly string[] = ["TRACEPARENT", "TRACESTATE"];

function digested(env: Readonly<Record<string, string>>): [name: string, value: string][] {
  return Object.entries(env).filter(([name]) => !NOT_DIGESTED.includes(name));
}

/** No two variables have the same, whatever they are called. */
function textOf([name, value]: [string, string]): string {
  return JSON.stringify([name, value]);
}
