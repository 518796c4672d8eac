/**
 * The tables of a root, in the schema `taffrail`. What is always true:
 *
 * 1. **A run is its number.** Its id can be given again when it was removed, and nothing of the old run is
 *    found by the new one. One without an id is on its way in from another root, and seen by nobody.
 * 2. **The seqs of a stream are dense**: a line is inserted under the lock of its row in `stream`, which has
 *    the last seq, the last append, and who may append.
 * 3. **Lines are text**, as they were appended; `jsonb` would change them. What is no text is kept as bytes.
 * 4. Nobody but the owner touches a table: all others go through functions, which have a version in their
 *    names, so that programs of two versions can use one root.
 */
export const TABLES = `
create table taffrail.meta (
  name text primary key,
  value text not null
);
comment on table taffrail.meta is 'The version of this schema, the last id given out, and the digest key.';

create table taffrail.run (
  run_no bigint generated always as identity primary key,
  run_id text collate "C" unique,
  created_at timestamptz not null default clock_timestamp(),
  token bigint not null,
  holder text,
  lease_until timestamptz
);
comment on column taffrail.run.token is
  'Grows with each holder; whoever holds the advisory lock of run and token holds the run.';

create table taffrail.stream (
  run_no bigint not null,
  stream "char" not null,
  token bigint not null,
  last_seq bigint not null default 0,
  last_op text,
  bytes bigint not null default 0,
  primary key (run_no, stream)
) with (fillfactor = 50);
comment on column taffrail.stream.stream is
  'c = the capture journal, e = events, p = processes, i = the inbox.';

create table taffrail.line (
  run_no bigint not null,
  stream "char" not null,
  seq bigint not null,
  op text,
  line text,
  damaged bytea,
  primary key (run_no, stream, seq)
);
comment on column taffrail.line.op is
  'Which append that was, on its last line: one that is sent again is known by it.';

create table taffrail.doc (
  run_no bigint not null,
  name text collate "C" not null,
  body bytea not null,
  primary key (run_no, name)
);

create table taffrail.output (
  run_no bigint not null,
  node text collate "C" not null,
  attempt int not null,
  stream text collate "C" not null,
  piece int not null,
  bytes bytea not null,
  primary key (run_no, node, attempt, stream, piece)
);

create table taffrail.removed (
  run_no bigint primary key
);
comment on table taffrail.removed is 'Runs whose rows are still to be deleted, in batches.';
`;
