import ts from "typescript";
import { type Project, PUBLISHED, sourcesIn } from "../_project.ts";
import type { Problem } from "../_problem.ts";
import { lineOf, nodesOf, type Source } from "../_source.ts";

/** The one file that opens, and refuses what is no regular file. */
const OPENER = "_internal/file_port.ts";

/** Who opens something that is no file of a root. */
const EXCEPTIONS: Record<string, string> = {
  "_internal/directories.ts": "a directory, to sync it",
  "_internal/ignored_signals.ts": "what Linux tells about the process",
  "cli/chrome/write_chrome.ts": "what the user names, which may be a pipe",
  "cli/drill/scratch.ts": "the user's files, of which it makes copies",
  "cli/process/cannot_run.ts": "the program that is to be run",
  "cli/process/left_output.ts": "the pipes of processes, which Linux lists",
  "cli/process/processes.ts": "what Linux tells about processes",
  "cli/flow/read_env_file.ts": "the user's .env, which may be a link",
  "cli/flow/read_flow.ts": "what the user names, which may be a pipe",
  "cli/flow/task_files.ts": "the user's deno.json",
  "cli/postgres/open_database.ts": "certificates that the user names",
  "cli/postgres/password_file.ts": "the user's file of passwords, which may be a link",
  "cli/text/changed_arguments.ts": "what Linux tells about this process",
};

/** Functions of Deno that open a file by its path. */
const OPENINGS = /^(?:open|create|truncate|copyFile|(?:read|write)(?:Text)?File)(?:Sync)?$/;

/** Rule 5: files are opened in one place. */
export function checkFileOpenings(project: Project): Problem[] {
  return sourcesIn(project, PUBLISHED)
    .filter(({ path }) => path !== OPENER)
    .flatMap((source) => judge(source, findOpenings(source)));
}

function judge({ path }: Source, openings: Problem[]): Problem[] {
  if (!(path in EXCEPTIONS)) return openings;
  if (openings.length > 0) return [];
  return [{
    path,
    line: 1,
    message: "Opens no file, and has leave to do so in _tools/tidy (rule 5)",
  }];
}

function findOpenings(source: Source): Problem[] {
  return [...nodesOf(source.tree)].filter(isOpening).map((node) => ({
    path: source.path,
    line: lineOf(source, node),
    message: `Opens a file by itself (rule 5): openRegularSync() of ${OPENER} refuses pipes, ` +
      "devices, folders and links",
  }));
}

/** A call of a port or of Deno. What is made anew under a name that nobody has can be nothing else. */
function isOpening(node: ts.Node): boolean {
  if (!ts.isCallExpression(node) || !ts.isPropertyAccessExpression(node.expression)) return false;
  const { expression: { expression: owner, name }, arguments: options } = node;
  const isNew = options.some((argument) => /\bcreateNew: true\b/.test(argument.getText()));
  if (isNew || !OPENINGS.test(name.text)) return false;
  return /^(?:Deno|requireDeno\(\))$/.test(owner.getText()) || name.text === "openSync";
}
