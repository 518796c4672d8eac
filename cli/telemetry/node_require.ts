/**
 * The packages of OpenTelemetry are of CommonJS. In what is published they are built into one file, which is no such
 * module, and asks for the parts of Node by a global function.
 */
import { createRequire } from "node:module";

Object.assign(globalThis, { require: createRequire(import.meta.url) });
