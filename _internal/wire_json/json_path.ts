/** The way from the top of a document to one value: member names and array positions. */
export type JsonPath = readonly (string | number)[];

const PLAIN_NAME = /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u;

/** Writes a path for people: `$.events[0].kind`, `$["odd name"]`; `$` is the whole document. */
export function formatPath(path: JsonPath): string {
  let text = "$";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (PLAIN_NAME.test(step)) text += `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}
