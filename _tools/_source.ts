import ts from "typescript";

/** A parsed TypeScript file. */
export interface Source {
  /** Path relative to the root of the project, with `/` on every system. */
  path: string;
  /** The file as text. */
  text: string;
  /** Its syntax tree, with parents set. */
  tree: ts.SourceFile;
  /** Everything that it imports, in order. */
  imports: Import[];
}

/** One `import`, `export … from`, `import(…)` or `import("…")` type. */
export interface Import {
  /** What stands between the quotes; empty where it is computed at run time. */
  specifier: string;
  /** Whether it is erased before the program runs. */
  isTypeOnly: boolean;
  /** 1-based line. */
  line: number;
}

/** Parses `text` as the file `path`. */
export function parseSource(path: string, text: string): Source {
  const tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  return { path, text, tree, imports: importsIn(tree) };
}

/** The 1-based line on which `node` starts, its documentation left out. */
export function lineOf(source: Source, node: ts.Node): number {
  return lineAt(source.text, node.getStart());
}

/** The 1-based line of the character at `offset`. */
export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** Every node of the tree, parents before children. */
export function* nodesOf(node: ts.Node): Generator<ts.Node> {
  yield node;
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* nodesOf(child);
}

function importsIn(tree: ts.SourceFile): Import[] {
  const found: Import[] = [];
  for (const node of nodesOf(tree)) {
    const clause = readImport(node);
    if (clause !== null) found.push({ ...clause, line: lineAt(tree.text, node.getStart()) });
  }
  return found;
}

function readImport(node: ts.Node): Omit<Import, "line"> | null {
  if (ts.isImportDeclaration(node)) {
    const isTypeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
    return { specifier: textOf(node.moduleSpecifier), isTypeOnly };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return { specifier: textOf(node.moduleSpecifier), isTypeOnly: node.isTypeOnly };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return { specifier: textOf(node.arguments[0]), isTypeOnly: false };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return { specifier: textOf(node.argument.literal), isTypeOnly: true };
  }
  return null;
}

function textOf(node: ts.Node | undefined): string {
  return node !== undefined && ts.isStringLiteralLike(node) ? node.text : "";
}

/** Every comment of the file with its offset. */
export function commentsOf(source: Source): { offset: number; text: string }[] {
  const ends = new Map<number, number>();
  for (const token of tokensOf(source.tree)) {
    const before = ts.getLeadingCommentRanges(source.text, token.getFullStart()) ?? [];
    const after = ts.getTrailingCommentRanges(source.text, token.getEnd()) ?? [];
    for (const { pos, end } of [...before, ...after]) ends.set(pos, end);
  }
  return [...ends].map(([pos, end]) => ({ offset: pos, text: source.text.slice(pos, end) }));
}

function* tokensOf(node: ts.Node): Generator<ts.Node> {
  const children = node.getChildren();
  if (children.length === 0) yield node;
  for (const child of children) if (!ts.isJSDoc(child)) yield* tokensOf(child);
}
