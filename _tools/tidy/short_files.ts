/**
 * The files of less than 60 lines that are no rooms of others all the same, each with its reason.
 * Nothing else of the library and the command is so short (rule 5).
 */
export const SHORT_FILES: Readonly<Record<string, string>> = {
  "_internal/wire_names.ts":
    "The names that the supervisor and capture both know, a list of each: all there is to say.",
  "_internal/episode_record.ts":
    "What a memory log of the supervisor and capture both make of a decision, and neither loads the other.",
  "_internal/sync_pace.ts":
    "When a sync may hold up the whole program: one rule, which every file of lines keeps.",
  "_internal/wire_json/duration.ts":
    "The one type of the wire that has two forms: who asks how a span or a time is read looks for it here.",
  "capture/session/redact.ts":
    "All of what a recording replaces: who asks what may leak looks for it by this name.",
  "capture/what_if/agenda.ts":
    "In which order things happen: the simulation beside it is about what happens.",
  "_internal/ignored_signals.ts":
    "Only what listens to signals loads it, and that is two rooms: the trace and the command.",
  "store/state/event_effects.ts":
    "Verifying and repairing ask it what events say, and no other room knows a rule of theirs.",
  "cli/flow/value_digests.ts": "Loaded only where a flow gives variables values.",
  "cli/report/open_page.ts": "Loaded only where a page is to be shown in a browser.",
  "cli/report/client/live_run.js":
    "What makes the page of a run a live one: the page that is a file has no use for it.",
  "cli/report/serve/runs_data.ts":
    "What a script is checked against that knows the DOM and no Deno, so that it imports nothing.",
  "cli/report/page_text.ts":
    "How texts become fit for a page: who asks what a record can do to one finds all of it here.",
  "cli/work/lease.ts":
    "When a lease is over, and by which clocks: one rule, for the worker and its guard.",
  "cli/process/this_command.ts":
    "How the command starts itself, for who drills it and for workers, and neither loads the other.",
  "cli/process/shared_terminal.ts":
    "What it means that a command shares the terminal, for who starts, ends and records it.",
  "_internal/path.ts": "The only file that may import @std/path, for all that make paths (rule 4).",
  "_internal/version.ts": "So that the version can be said without loading anything.",
  "trace/trace_file_error.ts": "Reading and writing traces throw it, and neither loads the other.",
  "run/attempt_key.ts":
    "All that verbs which only read need of run/, so that they load nothing else.",
  "run/engine/run_journal.ts":
    "Who may go on before a line has arrived, and who may not: one rule, for the engine alone.",
  "cli/reading/program_about.ts":
    "What tells the run of a program from that of a flow: verbs that show little load no more of it.",
  "cli/reading/read_documents.ts":
    "Loads the formats of capture and trace, which verbs do not need that look at a run.",
  "postgres/check_database.ts":
    "What opening a root asks of a database: opening loads nothing of how the schema is made.",
  "postgres/schema/rights.ts":
    "Who may do what in the schema: who looks after that finds it by this name.",
  "postgres/schema/schema.ts": "How the parts of the schema are made one: each of them is a room.",
  "cli/display/labelled_output.ts":
    "Loaded only where labelled lines are wanted, so that no other run pays for it.",
  "cli/text/workflow_commands.ts":
    "How the runner of GitHub Actions is spoken to: loaded only where it listens, or CI is told of a run.",
  "cli/report/step_summary.ts":
    "The one file that others may append to at the same time, and how: what stands in it is another room.",
  "cli/telemetry/node_require.ts":
    "It has to be loaded before what asks for it, which only the order of imports can say.",
  "cli/telemetry/otlp_driver.ts":
    "All that is loaded of others to send spans: one file of what is published.",
  "cli/archive/tar_streams.ts":
    "All that is loaded of others for an archive: one file of what is published.",
  "cli/postgres/postgres_driver.ts":
    "All that is loaded of others for a root on PostgreSQL: one file of what is published.",
};
