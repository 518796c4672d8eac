/** What `deno doc --json` says of a package, as far as its score depends on it. */
export interface Documentation {
  /** Each entry, by URL. */
  nodes: Record<string, {
    module_doc?: JsDoc;
    symbols: { name: string; declarations: Declaration[] }[];
  }>;
}

/** A documentation comment. */
interface JsDoc {
  doc?: string;
  tags?: unknown[];
}

/** One declaration of an exported name: a function has one an overload. */
interface Declaration {
  kind: string;
  declarationKind: string;
  jsDoc?: JsDoc;
  def?: { hasBody?: boolean };
}

/** Something that the registry gives points for. */
export interface Criterion {
  name: string;
  points: number;
  most: number;
  /** What is not as it should be. */
  missing: string[];
}

/** From this part of documented names on all points are given for them. */
const ENOUGH = 0.8;

/**
 * The points that the sources of a package get on jsr.io, by the rules of the registry's own source
 * (`api/src/analysis.rs` and `api/src/api/types.rs` of jsr-io/jsr, August 2026). Slow types are left to
 * `deno publish`, which refuses them; a description, runtimes and provenance are no matter of the sources.
 *
 * A name that a second entry exports too is counted again there, as undocumented: what it is stands with
 * the first. So an entry that exports all that the others export costs points, however well all is documented.
 *
 * @param options.main The URL of the entry ".".
 */
export function scoreOf(
  documentation: Documentation,
  { readme, main }: { readme: string | null; main: string },
): Criterion[] {
  const ownDoc = documentation.nodes[main]?.module_doc?.doc ?? "";
  const hasReadme = readme !== null || ownDoc !== "";
  const hasExample = /```|~~~/.test(`${readme ?? ""}\n${ownDoc}`);
  return [
    criterion("a readme", 2, hasReadme ? [] : ["README.md"]),
    criterion("an example in it", 1, hasExample ? [] : ["a block of code in README.md"]),
    criterion("every entry says what is in it", 1, entriesWithoutDoc(documentation)),
    documentedNames(documentation),
  ];
}

function criterion(name: string, most: number, missing: string[]): Criterion {
  return { name, points: missing.length === 0 ? most : 0, most, missing };
}

/** The registry lets a readme stand for the main entry; here that says it, too, as editors show it. */
function entriesWithoutDoc({ nodes }: Documentation): string[] {
  return Object.keys(nodes).filter((url) => isEmpty(nodes[url]!.module_doc));
}

function documentedNames({ nodes }: Documentation): Criterion {
  const most = 5;
  const all = Object.entries(nodes).flatMap(([url, { symbols }]) =>
    symbols.flatMap(({ name, declarations }) =>
      countedOf(declarations).map(({ jsDoc }) => ({ where: `${name} of ${url}`, jsDoc }))
    )
  );
  const missing = all.filter(({ jsDoc }) => isEmpty(jsDoc)).map(({ where }) => where);
  const part = all.length === 0 ? 1 : 1 - missing.length / all.length;
  const points = Math.floor(Math.min(part / ENOUGH, 1) * most);
  const name = `names are documented: ${Math.floor(part * 100)} %`;
  return { name, points, most, missing: points < most ? missing : [] };
}

/** Of overloads the one with the body is not counted, as nobody sees it. */
function countedOf(declarations: Declaration[]): Declaration[] {
  const visible = declarations.filter(({ declarationKind }) => declarationKind !== "private");
  const isOverloaded = visible.length > 1 && visible.every(({ kind }) => kind === "function");
  return visible.filter(({ def }) => !(isOverloaded && def?.hasBody === true));
}

function isEmpty(doc: JsDoc | undefined): boolean {
  return (doc?.doc ?? "") === "" && (doc?.tags ?? []).length === 0;
}
