/**
 * The schema of a root, and how it is made: in one transaction, by one of those who do it at the same time.
 * It has a version; functions have versions of their own, in their names, so that a program that knows older
 * ones goes on working beside one that knows newer ones.
 */
import { SCHEMA_VERSION } from "../check_database.ts";
import { HOLDING } from "./holding.ts";
import { JOBS } from "./jobs.ts";
import { READING } from "./reading.ts";
import { HARDENING, RIGHTS } from "./rights.ts";
import { TABLES } from "./tables.ts";
import { WRITING } from "./writing.ts";

const FIRST = [TABLES, HOLDING, WRITING, READING, JOBS, RIGHTS, HARDENING];

/** One statement that makes the schema where there is none, and does nothing where it is there. */
export const MAKE_SCHEMA = `
do $make$
begin
  perform pg_advisory_xact_lock(hashtextextended('taffrail: schema', 0));
  if to_regclass('taffrail.meta') is not null then return; end if;
  create schema if not exists taffrail;
  execute $schema$${FIRST.join("\n")}$schema$;
  insert into taffrail.meta values ('version', '${SCHEMA_VERSION}'), ('ulid', '');
end $make$;
`;
