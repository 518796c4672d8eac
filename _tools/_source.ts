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
  /** What it takes, by the names that the other file exports; null where it takes all or none. */
  names: string[] | null;
  /** Whether it is erased before the program runs. */
  isTypeOnly: boolean;
  /** Whether it is loaded only when the program gets there, as `import(…)` is. */
  isLazy: boolean;
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

/** Whether a word names a member, as in `event.Deno` and `{ Deno: 1 }`, and no global. */
export function isMemberName(node: ts.Identifier): boolean {
  const parent = node.parent;
  const canNameMember = ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) || ts.isPropertyDeclaration(parent) ||
    ts.isMethodSignature(parent) || ts.isMethodDeclaration(parent);
  return canNameMember && parent.name === node;
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
    return {
      specifier: textOf(node.moduleSpecifier),
      names: namesInImport(node.importClause),
      isTypeOnly: node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword,
      isLazy: false,
    };
  }
  if (ts.isExportDeclaration(node) && node.moduleSpecifier !== undefined) {
    return {
      specifier: textOf(node.moduleSpecifier),
      names: namesInBindings(node.exportClause),
      isTypeOnly: node.isTypeOnly,
      isLazy: false,
    };
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    const specifier = textOf(node.arguments[0]);
    return { specifier, names: namesTakenFrom(node), isTypeOnly: false, isLazy: true };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    const { argument, qualifier } = node;
    const names = qualifier === undefined ? null : [qualifier.getText().split(".")[0]!];
    return { specifier: textOf(argument.literal), names, isTypeOnly: true, isLazy: false };
  }
  return null;
}

function namesInImport(clause: ts.ImportClause | undefined): string[] | null {
  if (clause?.name === undefined) return namesInBindings(clause?.namedBindings);
  return ["default", ...namesInBindings(clause.namedBindings) ?? []];
}

function namesInBindings(
  bindings: ts.NamedImportBindings | ts.NamedExportBindings | undefined,
): string[] | null {
  if (bindings === undefined) return null;
  if (!ts.isNamedImports(bindings) && !ts.isNamedExports(bindings)) return null;
  return bindings.elements.map(({ name, propertyName }) => (propertyName ?? name).text);
}

/** `(await import("…")).name` takes one name, `const { name } = await import("…")` several. */
function namesTakenFrom(call: ts.CallExpression): string[] | null {
  let node: ts.Node = call.parent;
  while (ts.isAwaitExpression(node) || ts.isParenthesizedExpression(node)) node = node.parent;
  if (ts.isPropertyAccessExpression(node)) return [node.name.text];
  if (!ts.isVariableDeclaration(node) || !ts.isObjectBindingPattern(node.name)) return null;
  return node.name.elements.map(({ name, propertyName }) => (propertyName ?? name).getText());
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
