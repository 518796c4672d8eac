/** Archives of runs for tests: what is in one, and what somebody may make who means harm. */
import { createTarDecoder, createTarPacker } from "modern-tar";
import { walk } from "@std/fs/walk";
import { taffrail } from "./_command.ts";
import { toHex } from "../../_internal/text.ts";

/** A file of a tar, or whatever else stands there; a size of its own is said, whatever there is. */
export interface Entry {
  name: string;
  text: string | Uint8Array;
  type?: "file" | "link" | "symlink" | "character-device" | "block-device" | "directory" | "fifo";
  linkname?: string;
}

const encoder = new TextEncoder();

function bytesOf({ text }: Entry): Uint8Array {
  return typeof text === "string" ? encoder.encode(text) : text;
}

/** The bytes of a tar, compressed by gzip. */
export async function pack(entries: readonly Entry[]): Promise<Uint8Array> {
  return await gzip(await tar(entries));
}

/** The bytes of a tar. */
export async function tar(entries: readonly Entry[]): Promise<Uint8Array> {
  const { readable, controller } = createTarPacker();
  const packed = new Response(readable).bytes();
  for (const entry of entries) {
    const { name, type = "file", linkname } = entry;
    const bytes = bytesOf(entry);
    const size = type === "file" ? bytes.length : 0;
    const header = { name, size, type, mtime: new Date(0), ...(linkname && { linkname }) };
    const writer = controller.add(header).getWriter();
    if (size > 0) await writer.write(bytes);
    await writer.close();
  }
  controller.finalize();
  return await packed;
}

/** Bytes, compressed. */
export async function gzip(bytes: Uint8Array | ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const stream = bytes instanceof ReadableStream ? bytes : ReadableStream.from([bytes]);
  return await new Response(
    stream.pipeThrough(
      new CompressionStream("gzip") as TransformStream<Uint8Array, Uint8Array<ArrayBuffer>>,
    ),
  ).bytes();
}

/** The files of an archive, in their order. */
export async function unpack(path: string): Promise<Entry[]> {
  const bytes = await Deno.readFile(path);
  const files = ReadableStream.from([bytes])
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeThrough(createTarDecoder({ strict: true }));
  const entries: Entry[] = [];
  for await (const { header, body } of files) {
    entries.push({ name: header.name, text: await new Response(body as BodyInit).bytes() });
  }
  return entries;
}

/** The text of a file of an archive. */
export function textOf(entries: readonly Entry[], path: string): string {
  const entry = entries.find(({ name }) => name.endsWith(`/${path}`))!;
  return new TextDecoder().decode(bytesOf(entry));
}

/** The entries of a run behind a manifest that names them; `changes`: what it says otherwise. */
export async function withManifest(
  runId: string,
  entries: readonly (Entry & { named?: Record<string, unknown> })[],
  changes: Record<string, unknown> = {},
): Promise<Entry[]> {
  const named = await Promise.all(entries.map(async (entry) => {
    const bytes = bytesOf(entry);
    const digest = await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>);
    const path = entry.name.slice(runId.length + 1);
    const sha256 = toHex(new Uint8Array(digest));
    return { path, bytes: bytes.length, sha256, ...entry.named };
  }));
  const head = { format: 1, taffrail_version: "0.1.0", run_id: runId, redacted: false };
  const text = JSON.stringify({ ...head, entries: named, ...changes });
  return [{ name: `${runId}/manifest.json`, text }, ...entries];
}

/** The files of a run, but for the lock, which says who made it; each byte a character. */
export async function filesOf(
  cwd: string,
  root: string,
  runId: string,
): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  const folder = `${cwd}/${root}/runs/${runId}`;
  for await (const { path } of walk(folder, { includeDirs: false })) {
    const name = path.slice(folder.length + 1);
    if (name === "live.lock") continue;
    const bytes = await Deno.readFile(path);
    files[name] = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  }
  return files;
}

/** These files as they are of a run with another id, which only its log and its trace say. */
export function underId(
  files: Readonly<Record<string, string>>,
  runId: string,
  newId: string,
): Record<string, string> {
  const others = { ...files };
  for (const name of ["events.jsonl", "trace.json"]) {
    const own = new RegExp(`("run_id": ?)"${runId}"`, "g");
    others[name] = others[name]!.replaceAll(own, `$1"${newId}"`);
  }
  return others;
}

/** Writes a run `large` with a log that takes a while to the root `a`, and gives how many bytes that has. */
export async function writeLarge(cwd: string): Promise<number> {
  const folder = `${cwd}/a/runs/large`;
  await Deno.mkdir(folder, { recursive: true });
  const log = `${JSON.stringify({ n: 1, text: "x".repeat(200) })}\n`.repeat(200_000);
  await Deno.writeTextFile(`${folder}/events.jsonl`, log);
  return log.length;
}

/** Runs a flow, and gives the id of its run. */
export async function recordFlow(cwd: string, flow: object): Promise<string> {
  await Deno.writeTextFile(`${cwd}/flow.json`, JSON.stringify(flow));
  const { stdout } = await taffrail(["run", "flow.json"], { cwd });
  return /run_id=(\S+)/.exec(stdout)![1]!;
}
