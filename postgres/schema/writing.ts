/**
 * Functions by which the holder of a run, and whoever leaves it a message, write. What is always true:
 *
 * 1. **An append is whole or not there**, and its lines have the next seqs.
 * 2. **One that is sent again is there once**: it is known by its `op`, looked for behind the last append that
 *    its writer knows of.
 * 3. **What was acknowledged and is gone is told**: a stream that ends before that append, or has another one
 *    in its place, was rewound, by a server that came back without its last moments.
 * 4. **A former holder writes nothing**: its token is not that of the stream.
 */
export const WRITING = `
create function taffrail.wait_for_disk(p_wait boolean) returns void
language plpgsql as $$
begin
  if not p_wait then perform set_config('synchronous_commit', 'off', true);
  -- A database or a role may be set not to wait; what waits for more than the disk stays as it is.
  elsif current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
end $$;

create function taffrail.append_lines_1(
  p_run bigint, p_stream "char", p_token bigint, p_floor bigint, p_floor_op text,
  p_expected bigint, p_op text, p_count int, p_lines text, p_wait boolean
) returns table (status text, first_seq bigint, last_seq bigint)
language plpgsql as $$
declare v_last bigint; v_op text; v_token bigint; v_found bigint;
begin
  perform taffrail.wait_for_disk(p_wait);
  select s.last_seq, s.last_op, s.token into v_last, v_op, v_token from taffrail.stream s
    where s.run_no = p_run and s.stream = p_stream for no key update;
  if not found then return query select 'gone', 0::bigint, 0::bigint; return; end if;
  if p_token is not null and v_token <> p_token then
    return query select 'fenced', v_last, v_last; return;
  end if;
  if p_floor > 0 then
    if v_last > p_floor then
      select l.op into v_op from taffrail.line l
        where l.run_no = p_run and l.stream = p_stream and l.seq = p_floor;
    end if;
    if v_last < p_floor or v_op is distinct from p_floor_op then
      return query select 'rewound', v_last, v_last; return;
    end if;
  end if;
  if v_last > p_floor and p_count > 0 then
    select l.seq into v_found from taffrail.line l
      where l.run_no = p_run and l.stream = p_stream and l.seq > p_floor and l.op = p_op;
    if found then return query select 'ok', v_found - p_count + 1, v_found; return; end if;
  end if;
  if p_expected is not null and v_last <> p_expected then
    return query select 'conflict', v_last, v_last; return;
  end if;
  if p_count > 0 then
    insert into taffrail.line (run_no, stream, seq, op, line)
      select p_run, p_stream, v_last + u.n, case when u.n = p_count then p_op end, u.t
      from string_to_table(p_lines, chr(10)) with ordinality u(t, n);
    update taffrail.stream s set last_seq = v_last + p_count, last_op = p_op,
      bytes = s.bytes + octet_length(p_lines) + 1
      where s.run_no = p_run and s.stream = p_stream;
  elsif p_wait then
    -- Only what writes is waited for, with everything that was written before.
    update taffrail.stream s set bytes = s.bytes where s.run_no = p_run and s.stream = p_stream;
  end if;
  return query select 'ok', v_last + 1, v_last + p_count;
end $$;

create function taffrail.restore_lines_1(
  p_run bigint, p_stream "char", p_token bigint, p_after bigint,
  p_count int, p_lines text, p_damaged bytea
) returns text
language plpgsql as $$
declare v_last bigint; v_token bigint;
begin
  perform set_config('synchronous_commit', 'off', true);
  select s.last_seq, s.token into v_last, v_token from taffrail.stream s
    where s.run_no = p_run and s.stream = p_stream for no key update;
  if not found or v_token <> p_token then return 'fenced'; end if;
  if v_last = p_after + p_count then return 'ok'; end if;
  if v_last <> p_after then return 'rewound'; end if;
  -- A blank line alone were no line for whoever splits texts.
  if p_count = 1 then
    insert into taffrail.line (run_no, stream, seq, op, line, damaged) values (
      p_run, p_stream, p_after + 1, case when p_stream = 'i' then taffrail.op_in(p_lines) end,
      p_lines, p_damaged);
  else
    insert into taffrail.line (run_no, stream, seq, op, line)
      select p_run, p_stream, p_after + u.n,
        case when p_stream = 'i' then taffrail.op_in(u.t) end, u.t
      from string_to_table(p_lines, chr(10)) with ordinality u(t, n);
  end if;
  update taffrail.stream s set last_seq = p_after + p_count,
    bytes = s.bytes + coalesce(octet_length(p_lines), octet_length(p_damaged)) + 1
    where s.run_no = p_run and s.stream = p_stream;
  return 'ok';
end $$;

create function taffrail.op_in(p_line text) returns text
language plpgsql as $$
begin
  return p_line::json ->> 'op';
exception when others then
  return null;
end $$;

create function taffrail.wake_1(p_run bigint) returns void
language plpgsql as $$
begin
  -- Whoever misses a wake-up looks by himself a moment later.
  perform set_config('synchronous_commit', 'off', true);
  perform pg_notify('taffrail', p_run::text);
end $$;

create function taffrail.post_1(p_run text, p_op text, p_line text) returns text
language plpgsql as $$
declare v_no bigint; v_last bigint;
begin
  perform set_config('synchronous_commit', 'on', true);
  select r.run_no into v_no from taffrail.run r where r.run_id = p_run;
  if not found then return 'missing'; end if;
  select s.last_seq into v_last from taffrail.stream s
    where s.run_no = v_no and s.stream = 'i' for no key update;
  if not found then return 'missing'; end if;
  if exists (select 1 from taffrail.line l
      where l.run_no = v_no and l.stream = 'i' and l.op = p_op) then
    update taffrail.stream s set bytes = s.bytes where s.run_no = v_no and s.stream = 'i';
    return v_no::text;
  end if;
  insert into taffrail.line (run_no, stream, seq, op, line)
    values (v_no, 'i', v_last + 1, p_op, p_line);
  update taffrail.stream s set last_seq = v_last + 1, last_op = p_op,
    bytes = s.bytes + octet_length(p_line) + 1 where s.run_no = v_no and s.stream = 'i';
  return v_no::text;
end $$;

create function taffrail.holds(p_run bigint, p_token bigint) returns boolean
language plpgsql as $$
declare v_token bigint;
begin
  select s.token into v_token from taffrail.stream s
    where s.run_no = p_run and s.stream = 'c' for no key update;
  return v_token is not distinct from p_token;
end $$;

create function taffrail.put_document_1(p_run bigint, p_token bigint, p_name text, p_body bytea)
returns boolean
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'on', true);
  if not taffrail.holds(p_run, p_token) then return false; end if;
  if p_body is null then
    delete from taffrail.doc d where d.run_no = p_run and d.name = p_name;
  else
    insert into taffrail.doc values (p_run, p_name, p_body)
      on conflict (run_no, name) do update set body = excluded.body;
  end if;
  return true;
end $$;

create function taffrail.put_output_1(
  p_run bigint, p_token bigint, p_node text, p_attempt int, p_stream text,
  p_piece int, p_bytes bytea, p_wait boolean
) returns boolean
language plpgsql as $$
begin
  perform taffrail.wait_for_disk(p_wait);
  if not taffrail.holds(p_run, p_token) then return false; end if;
  if p_piece = 0 then
    delete from taffrail.output o where o.run_no = p_run and o.node = p_node
      and o.attempt = p_attempt and o.stream = p_stream;
  end if;
  if p_bytes is not null then
    insert into taffrail.output values (p_run, p_node, p_attempt, p_stream, p_piece, p_bytes)
      on conflict (run_no, node, attempt, stream, piece) do update set bytes = excluded.bytes;
  elsif p_wait then
    update taffrail.stream s set bytes = s.bytes where s.run_no = p_run and s.stream = 'c';
  end if;
  return true;
end $$;

create function taffrail.digest_key_1(p_key text) returns text
language plpgsql as $$
declare v_key text;
begin
  perform set_config('synchronous_commit', 'on', true);
  insert into taffrail.meta values ('digest_key', p_key) on conflict (name) do nothing;
  select m.value into v_key from taffrail.meta m where m.name = 'digest_key';
  return v_key;
end $$;
`;
