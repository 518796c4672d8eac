/** JUnit files, read and judged by the parser and the validator of libxml2. */
import { XmlDocument, type XmlElement, XsdValidator } from "libxml2-wasm";
import { readText } from "../_util/files.ts";

const SCHEMA = `${import.meta.dirname}/../golden/junit/jenkins_junit_10.xsd`;

/** A case of a file. */
export interface JunitCase {
  name: string;
  classname: string;
  time: string | undefined;
  /** The elements in it: what they are called, their attributes, and their text. */
  parts: JunitPart[];
}

/** What stands in a case. */
export interface JunitPart {
  is: string;
  message: string | undefined;
  type: string | undefined;
  text: string;
}

/** What a file says. */
export interface Junit {
  /** The attributes of the suite. */
  suite: Record<string, string>;
  properties: [name: string, value: string][];
  cases: JunitCase[];
}

/**
 * Reads a JUnit file.
 *
 * @throws If it is no XML, Jenkins would refuse it, or its counts are wrong.
 */
export function readJunit(xml: string): Junit {
  using schema = XmlDocument.fromString(readText(SCHEMA));
  using validator = XsdValidator.fromDoc(schema);
  using document = XmlDocument.fromBuffer(new TextEncoder().encode(xml));
  validator.validate(document);
  const [suite, ...others] = childrenOf(document.root);
  if (suite === undefined || others.length > 0) throw new Error("There is not one suite");
  const attributes = attributesOf(suite);
  const elements = childrenOf(suite);
  const cases = elements.filter(({ name }) => name === "testcase").map(caseOf);
  const count = (is: string) =>
    String(cases.filter(({ parts }) => parts.some((part) => part.is === is)).length);
  const counts = {
    tests: String(cases.length),
    failures: count("failure"),
    errors: count("error"),
    skipped: count("skipped"),
  };
  for (const [name, value] of Object.entries(counts)) {
    if (attributes[name] !== value) throw new Error(`There are ${value} ${name}: ${xml}`);
  }
  const properties = elements.filter(({ name }) => name === "properties").flatMap(childrenOf);
  return {
    suite: attributes,
    properties: properties.map((property) => {
      const { name = "", value = "" } = attributesOf(property);
      return [name, value];
    }),
    cases,
  };
}

/** The case of a node, and what is wrong where there is not one. */
export function caseIn({ cases }: Junit, name: string): JunitCase {
  const found = cases.filter((one) => one.name === name);
  if (found.length !== 1) throw new Error(`There are ${found.length} cases ${name}`);
  return found[0]!;
}

function caseOf(element: XmlElement): JunitCase {
  const { name = "", classname = "", time } = attributesOf(element);
  const parts = childrenOf(element).map((part) => {
    const { message, type } = attributesOf(part);
    return { is: part.name, message, type, text: part.content };
  });
  return { name, classname, time, parts };
}

function childrenOf(element: XmlElement): XmlElement[] {
  const children: XmlElement[] = [];
  for (let node = element.firstChild; node !== null; node = node.next) {
    if ("attrs" in node) children.push(node as XmlElement);
  }
  return children;
}

function attributesOf(element: XmlElement): Record<string, string> {
  return Object.fromEntries(element.attrs.map(({ name, value }) => [name, value]));
}
