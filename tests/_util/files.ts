/** Short names for what tests do to files by hand, behind the back of the code under test. */

/** The text of a file. */
export function readText(path: string): string {
  return Deno.readTextFileSync(path);
}

/** The text of a file; none of one that is not there. */
export function textOf(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw error;
  }
}

/** The bytes of a file. */
export function readBytes(path: string): Uint8Array<ArrayBuffer> {
  return Deno.readFileSync(path);
}

/** Creates or replaces a file. */
export function write(path: string, content: string | Uint8Array): void {
  if (typeof content === "string") Deno.writeTextFileSync(path, content);
  else Deno.writeFileSync(path, content);
}

/** Appends to a file, as a program that knows nothing of us does. */
export function appendTo(path: string, content: string | Uint8Array): void {
  if (typeof content === "string") Deno.writeTextFileSync(path, content, { append: true });
  else Deno.writeFileSync(path, content, { append: true });
}

/** Cuts a file, or makes it longer with NULs. */
export function truncate(path: string, length: number): void {
  Deno.truncateSync(path, length);
}

/** The permission bits of what a path leads to. */
export function modeOf(path: string): number {
  return Deno.statSync(path).mode! & 0o777;
}

/** What is in a directory, sorted. */
export function namesIn(directory: string): string[] {
  return Array.from(Deno.readDirSync(directory), ({ name }) => name).sort();
}

/** Whether something, a broken link too, is at a path. */
export function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Whether two byte sequences are the same; says so without printing megabytes. */
export function sameBytes(actual: Uint8Array, expected: Uint8Array): boolean {
  return actual.length === expected.length &&
    actual.every((byte, index) => byte === expected[index]);
}
