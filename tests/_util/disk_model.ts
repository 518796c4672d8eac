/**
 * What a disk is sure to hold, and what it may hold: for each file the durable bytes and the operations
 * since the last good sync, for each directory the durable names and the operations on names that no
 * directory sync has covered. The bytes that programs read are in real files; this is the book-keeping
 * beside them, from which `crash_image.ts` makes a state that a power cut could leave.
 */

import { FileNode } from "./file_node.ts";

/** A symbolic link. They are only ever there beforehand: a file port cannot make one. */
export interface LinkNode {
  readonly kind: "link";
  readonly target: string;
}

/** A directory. */
export class DirectoryNode {
  readonly kind = "directory";
  /** Not worth a fate of its own: a directory's mode counts as durable at once. */
  mode: number | null;
  /** The names a program sees now. */
  readonly names: Map<string, Node> = new Map();
  /** The names that were on disk when the book-keeping began. */
  readonly durableNames: Map<string, Node> = new Map();

  constructor(mode: number | null) {
    this.mode = mode;
  }
}

/** What a name stands for. */
export type Node = FileNode | DirectoryNode | LinkNode;

/** A place for a name. */
export interface Slot {
  readonly directory: DirectoryNode;
  readonly name: string;
}

/** One change of names: a creation has only `to`, a removal only `from`, a rename both. */
export interface NameOperation {
  readonly node: Node;
  readonly from?: Slot;
  readonly to?: Slot;
  /** A directory sync has covered it. */
  durable: boolean;
}

/** The book-keeping for everything below one directory. That directory itself is durable. */
export class DiskModel {
  readonly rootPath: string;
  readonly root: DirectoryNode;
  /** Every change of names since the beginning, oldest first. */
  readonly nameOperations: NameOperation[] = [];

  /** Everything that is below `rootPath` now counts as durable. */
  constructor(rootPath: string) {
    this.rootPath = Deno.realPathSync(rootPath);
    this.root = loadDirectory(this.rootPath);
  }

  /**
   * The slot of a path whose last component is not followed; undefined outside the root and where the
   * parent does not exist (the real call then says so).
   */
  slot(path: string): Slot | undefined {
    const slot = this.#slotToFill(path);
    if (slot !== undefined) adopt(slot, path);
    return slot;
  }

  /** The same before anything is known about what is there. */
  #slotToFill(path: string): Slot | undefined {
    const [parent, name] = splitLast(path);
    const realParent = realPathOrUndefined(parent);
    const directory = realParent === undefined ? undefined : this.#directoryAt(realParent);
    if (directory === undefined || ["", ".", ".."].includes(name)) return undefined;
    return { directory, name };
  }

  /** What an existing path leads to, symbolic links followed; undefined outside the root. */
  nodeAt(path: string): Node | undefined {
    const realPath = Deno.realPathSync(path);
    if (realPath === this.rootPath) return this.root;
    const slot = this.slot(realPath);
    return slot?.directory.names.get(slot.name);
  }

  /** The directories that making `path` with all its parents would make, topmost first. */
  missingDirectories(path: string): string[] {
    const missing: string[] = [];
    let candidate = path;
    while (statOrUndefined(candidate) === undefined) {
      missing.unshift(candidate);
      candidate = splitLast(candidate)[0];
    }
    return missing;
  }

  directoriesCreated(paths: readonly string[]): void {
    for (const path of paths) {
      const slot = this.#slotToFill(path);
      if (slot !== undefined) this.created(slot, new DirectoryNode(Deno.lstatSync(path).mode));
    }
  }

  created(slot: Slot, node: Node): void {
    slot.directory.names.set(slot.name, node);
    this.nameOperations.push({ node, to: slot, durable: false });
  }

  removed(slot: Slot): void {
    const node = nodeIn(slot);
    slot.directory.names.delete(slot.name);
    this.nameOperations.push({ node, from: slot, durable: false });
  }

  renamed(from: Slot, to: Slot): void {
    const node = nodeIn(from);
    from.directory.names.delete(from.name);
    to.directory.names.set(to.name, node);
    this.nameOperations.push({ node, from, to, durable: false });
  }

  /** How many name operations a directory sync that starts now can reach. */
  mark(): number {
    return this.nameOperations.length;
  }

  /**
   * A sync of the directory that started at `mark` has succeeded. A rename becomes durable with the
   * directory of its *new* name: who syncs only the old one has no promise about the new one.
   */
  directorySynced(directory: DirectoryNode, mark: number): void {
    for (const [index, operation] of this.nameOperations.slice(0, mark).entries()) {
      const slot = operation.to ?? operation.from;
      if (slot?.directory === directory) this.#makeDurable(index);
    }
  }

  /** What an operation builds on reaches the disk with it: all that was done with its names. */
  #makeDurable(index: number): void {
    const operation = this.nameOperations[index];
    if (operation === undefined || operation.durable) return;
    operation.durable = true;
    for (let earlier = index - 1; earlier >= 0; earlier--) {
      if (dependsOn(operation, this.nameOperations[earlier])) this.#makeDurable(earlier);
    }
  }

  #directoryAt(realPath: string): DirectoryNode | undefined {
    if (realPath === this.rootPath) return this.root;
    if (!realPath.startsWith(this.rootPath + separator)) return undefined;
    let directory = this.root;
    let path = this.rootPath;
    for (const name of realPath.slice(this.rootPath.length + 1).split(separator)) {
      path += separator + name;
      adopt({ directory, name }, path);
      const node = directory.names.get(name);
      if (node?.kind !== "directory") return undefined;
      directory = node;
    }
    return directory;
  }

  /** Throws when the real files are not as the book says: something wrote past the port. */
  verify(): void {
    verifyDirectory(this.root, this.rootPath);
  }
}

const separator = Deno.build.os === "windows" ? "\\" : "/";

function splitLast(path: string): [parent: string, name: string] {
  const plain = path.replace(Deno.build.os === "windows" ? /[\\/]+$/ : /\/+$/, "");
  const last = Math.max(
    plain.lastIndexOf("/"),
    Deno.build.os === "windows" ? plain.lastIndexOf("\\") : -1,
  );
  if (last < 0) return [".", plain];
  return [last === 0 ? "/" : plain.slice(0, last), plain.slice(last + 1)];
}

function nodeIn(slot: Slot): Node {
  const node = slot.directory.names.get(slot.name);
  if (node === undefined) throw new Error(`Cannot find "${slot.name}" in the model of the disk`);
  return node;
}

function dependsOn(operation: NameOperation, earlier: NameOperation | undefined): boolean {
  if (earlier === undefined) return false;
  const earlierSlots = [earlier.from, earlier.to];
  return [operation.from, operation.to].some((slot) =>
    slot !== undefined &&
    earlierSlots.some((other) => other?.directory === slot.directory && other.name === slot.name)
  );
}

/** Something that appeared behind the port (a test's own file) counts as durable from now on. */
function adopt(slot: Slot, path: string): void {
  if (slot.directory.names.has(slot.name)) return;
  const node = loadNode(path);
  if (node === undefined) return;
  slot.directory.names.set(slot.name, node);
  slot.directory.durableNames.set(slot.name, node);
}

function loadNode(path: string): Node | undefined {
  const info = statOrUndefined(path);
  if (info?.isSymlink) return { kind: "link", target: Deno.readLinkSync(path) };
  if (info?.isDirectory) return loadDirectory(path);
  if (info?.isFile) return new FileNode(Deno.readFileSync(path), info.mode);
  return undefined;
}

function loadDirectory(path: string): DirectoryNode {
  const directory = new DirectoryNode(Deno.lstatSync(path).mode);
  for (const { name } of Deno.readDirSync(path)) {
    adopt({ directory, name }, path + separator + name);
  }
  return directory;
}

function realPathOrUndefined(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}

function statOrUndefined(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

function verifyDirectory(directory: DirectoryNode, path: string): void {
  for (const { name } of Deno.readDirSync(path)) {
    adopt({ directory, name }, path + separator + name);
  }
  for (const [name, node] of directory.names) {
    const child = path + separator + name;
    const info = statOrUndefined(child);
    if (node.kind === "directory" && info?.isDirectory) verifyDirectory(node, child);
    else if (node.kind === "link" && info?.isSymlink) continue;
    else if (node.kind !== "file" || !info?.isFile || !holds(child, node.current.view())) {
      throw new Error(
        `Cannot tell what a power cut leaves of "${child}": it changed past the port`,
      );
    }
  }
}

function holds(path: string, expected: Uint8Array): boolean {
  const actual = Deno.readFileSync(path);
  return actual.length === expected.length &&
    actual.every((byte, index) => byte === expected[index]);
}
