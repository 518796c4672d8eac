/**
 * The data of a page that changes, and what has changed of it since somebody looked last. Of a list, as the nodes
 * of a run, each item is known by its place and sent alone: of 20,000 nodes hardly any change at a time.
 */

/** A text of JSON, and in which version it came to be so. */
interface Part {
  text: string;
  version: number;
}

/** How a {@linkcode LiveDocument} is made of its data. */
export interface DocumentShape {
  /** The member that is a list of items. */
  list: string;
  /** The member that says when the data was read: it alone is no change. */
  readAt: string;
}

/** What changes, in versions that are counted from 1. */
export class LiveDocument {
  readonly #shape: DocumentShape;
  readonly #members = new Map<string, Part>();
  #items: Part[] = [];
  #readAt = "null";
  #version = 0;

  constructor(shape: DocumentShape) {
    this.#shape = shape;
  }

  /** Which version it is in; 0 before it has any data. */
  get version(): number {
    return this.#version;
  }

  /** Takes newer data; returns whether anything has changed. */
  take(data: Readonly<Record<string, unknown>>): boolean {
    const next = this.#version + 1;
    const before = this.#items;
    const items = data[this.#shape.list] as readonly unknown[];
    this.#items = items.map((item, place) => partOf(item, { before: before[place], next }));
    let hasChanged = items.length < before.length ||
      this.#items.some(({ version }) => version === next);
    for (const name of this.#members.keys()) {
      // One that is gone is told as such.
      if (!Object.hasOwn(data, name)) {
        hasChanged = this.#takeMember(name, { value: null, next }) || hasChanged;
      }
    }
    for (const [name, value] of Object.entries(data)) {
      if (name === this.#shape.list) continue;
      if (name === this.#shape.readAt) this.#readAt = textOf(value);
      else hasChanged = this.#takeMember(name, { value, next }) || hasChanged;
    }
    if (hasChanged) this.#version = next;
    return hasChanged;
  }

  #takeMember(name: string, { value, next }: { value: unknown; next: number }): boolean {
    const part = partOf(value, { before: this.#members.get(name), next });
    this.#members.set(name, part);
    return part.version === next;
  }

  /**
   * What has changed since a version, as JSON: `members`, of which each is whole, and of the list its length and
   * the `items` that are not as they were, each with its place. Since version 0 that is everything.
   */
  since(version: number): string {
    const members = [...this.#members].filter(([, part]) => part.version > version)
      .map(([name, { text }]) => `${JSON.stringify(name)}:${text}`);
    const items = this.#items.flatMap((part, place) => {
      return part.version > version ? [`[${place},${part.text}]`] : [];
    });
    return `{"readAt":${this.#readAt},"members":{${members.join(",")}},` +
      `"count":${this.#items.length},"items":[${items.join(",")}]}`;
  }
}

function partOf(
  value: unknown,
  { before, next }: { before: Part | undefined; next: number },
): Part {
  const text = textOf(value);
  return before?.text === text ? before : { text, version: next };
}

/** What JSON leaves out of an object is nothing here. */
function textOf(value: unknown): string {
  return JSON.stringify(value) ?? "null";
}
