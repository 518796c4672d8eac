/**
 * The files of less than 60 lines that are no rooms of others all the same, each with its reason.
 * Nothing else of the library and the command is so short (rule 5).
 */
export const SHORT_FILES: Readonly<Record<string, string>> = {
  "_internal/path.ts": "The only file that may import @std/path, for all that make paths (rule 4).",
  "_internal/version.ts": "So that the version can be said without loading anything.",
  "run/attempt_key.ts":
    "All that verbs which only read need of run/, so that they load nothing else.",
};
