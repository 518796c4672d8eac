import { millisecondsOf } from "../../_internal/event_time.ts";
import type { Duration } from "../../supervisor/types.ts";
import { optionError } from "../exit_codes.ts";

const MILLISECONDS: Record<string, number> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};
const BYTES: Record<string, number> = { "": 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** Timers of the runtime cannot wait longer: 2^31 - 1 ms is not quite 25 days. */
const MOST_HOURS = 596;
const MOST_GIBIBYTES = 1;

/** Reads `<number>ms|s|m|h|d` as milliseconds; returns in words what is wrong with anything else. */
export function parseDuration(text: string): number | { problem: string } {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text);
  if (match === null) {
    return { problem: 'is no duration: write a number with ms, s, m, h or d, such as "30s"' };
  }
  const milliseconds = Math.round(Number(match[1]) * MILLISECONDS[match[2]!]!);
  if (milliseconds > MOST_HOURS * MILLISECONDS.h!) {
    return { problem: `is too long: write at most ${MOST_HOURS}h` };
  }
  return milliseconds;
}

/** Reads a duration that was given as an option; 0 is one. */
export function parseDurationOption(option: string, text: string): number {
  const duration = parseDuration(text);
  if (typeof duration === "number") return duration;
  throw optionError(option, text, `it ${duration.problem}`);
}

/** Reads `<number>s|m|h|d|w`, an age of any length, as milliseconds. */
export function parseAgeOption(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)([smhdw])$/.exec(text);
  if (match !== null) return Number(match[1]) * MILLISECONDS[match[2]!]!;
  throw optionError(option, text, "write a number with s, m, h, d or w, such as 7d");
}

/** Reads a number of things, 0 too. */
export function parseCountOption(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw optionError(option, text, "write a whole number, such as 20");
}

/** Reads `<number>`, optionally with KiB, MiB or GiB, as bytes. */
export function parseSizeOption(
  option: string,
  text: string,
  { mostGibibytes = MOST_GIBIBYTES }: { mostGibibytes?: number } = {},
): number {
  const match = /^(\d+)(|KiB|MiB|GiB)$/.exec(text);
  const bytes = match === null ? 0 : Number(match[1]) * BYTES[match[2]!]!;
  if (bytes >= 1 && bytes <= mostGibibytes * BYTES.GiB!) return bytes;
  const problem = match === null
    ? "write bytes, or a number with KiB, MiB or GiB, such as 16MiB"
    : `write a size from 1 byte to ${mostGibibytes}GiB`;
  throw optionError(option, text, problem);
}

/** A time of a record for people, who need no fractions of a second. */
export function formatTime(ts: string): string {
  return ts.replace(/\.\d+(?=Z$)/, "");
}

/** A length of time for people: `840ms`, `1.2s`, `3m 05s`, `2h 07m`, `3d 04h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)}ms`;
  const tenths = Math.round(milliseconds / 100);
  if (tenths < 600) return `${(tenths / 10).toFixed(1)}s`;
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${twoDigits(seconds % 60)}s`;
  const minutes = Math.round(milliseconds / 60_000);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
  const hours = Math.round(minutes / 60);
  return `${Math.floor(hours / 24)}d ${twoDigits(hours % 24)}h`;
}

/** A limit of a run for people: how many, or how long. */
export function formatLimit(limit: number | Duration): string {
  return typeof limit === "number" ? String(limit) : formatDuration(millisecondsOf(limit));
}

/** How long ago something was, for people: `12s ago`, `3m ago`, `5h ago`, `12d ago`. */
export function formatAge(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  // The clock may have been set back since.
  if (seconds < 0) return "ahead";
  if (seconds < 60) return `${seconds}s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)}h ago`;
  return `${Math.floor(seconds / 86_400)}d ago`;
}

/** A number of bytes for people, as options take it: `812B`, `1.5KiB`, `16MiB`. */
export function formatSize(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`;
  const units = ["KiB", "MiB", "GiB"];
  const power = Math.min(units.length, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${value < 10 ? value.toFixed(1) : Math.round(value)}${units[power - 1]}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, "0");
}
