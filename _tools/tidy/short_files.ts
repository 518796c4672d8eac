/**
 * The files of less than 60 lines that are no rooms of others all the same, each with its reason.
 * Nothing else of the library and the command is so short (rule 5).
 */
export const SHORT_FILES: Readonly<Record<string, string>> = {
  "_internal/path.ts": "The one file that looks at the system while it loads.",
  "_internal/version.ts": "What a release changes; the command prints it and loads nothing more.",
  "_internal/wire_names.ts": "Names on the wire that two modules share, which may not meet.",
  "run/attempt_key.ts":
    "All that verbs which only read need of run/, so that they load nothing else.",
};
