/** Functions by which runs are read, which change nothing and wait for nobody. */
export const READING = `
create function taffrail.about_1() returns text
language sql stable as $$ select m.value from taffrail.meta m where m.name = 'version' $$;

create function taffrail.list_runs_1(
  p_prefix text, p_after text, p_ids text, p_limit int, p_newest boolean, p_size boolean
) returns table (
  run_id text, about bytea, holder text, first_line text, last_line text, last_seq bigint, bytes bigint,
  size bigint
)
language plpgsql stable as $$
declare v_ids text[] := string_to_array(p_ids, chr(10)); v_end text := p_prefix || chr(1114111);
begin
  return query
  with page as (
    (select r.run_no, r.run_id, r.token, r.holder from taffrail.run r
      where not p_newest and (p_after is null or r.run_id > p_after)
        and r.run_id >= p_prefix and r.run_id < v_end
        and (v_ids is null or r.run_id = any (v_ids))
      order by r.run_id limit p_limit)
    union all
    (select r.run_no, r.run_id, r.token, r.holder from taffrail.run r
      where p_newest and (p_after is null or r.run_id < p_after)
        and r.run_id >= p_prefix and r.run_id < v_end
        and (v_ids is null or r.run_id = any (v_ids))
      order by r.run_id desc limit p_limit)
  ), locks as materialized (
    select (l.classid::bigint << 32) | l.objid::bigint as k from pg_catalog.pg_locks l
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
  )
  select p.run_id, d.body,
    case when p.holder is not null
        and taffrail.lock_key(p.run_no, p.token) in (select k from locks) then p.holder end,
    f.line, l.line, s.last_seq, s.bytes,
    case when p_size then taffrail.size_1(p.run_id) end
  from page p
  left join taffrail.doc d on d.run_no = p.run_no and d.name = 'run.json'
  left join taffrail.stream s on s.run_no = p.run_no and s.stream = 'e'
  left join taffrail.line f on f.run_no = p.run_no and f.stream = 'e' and f.seq = 1
  left join taffrail.line l
    on l.run_no = p.run_no and l.stream = 'e' and l.seq = s.last_seq and s.last_seq > 1
  order by case when not p_newest then p.run_id end, p.run_id desc;
end $$;

create function taffrail.holder_1(p_run text) returns table (holder text, token bigint)
language sql stable as $$
  select r.holder, r.token from taffrail.run r
  where r.run_id = p_run and r.holder is not null and taffrail.is_locked(r.run_no, r.token)
$$;

create function taffrail.last_seq_1(p_run text, p_stream "char")
returns table (run_no bigint, last_seq bigint)
language sql stable as $$
  select s.run_no, s.last_seq from taffrail.run r join taffrail.stream s using (run_no)
  where r.run_id = p_run and s.stream = p_stream
$$;

create function taffrail.read_lines_1(
  p_run text, p_stream "char", p_after bigint, p_limit int, p_bytes int
) returns table (
  run_no bigint, last_seq bigint, count int, lines text, damaged text
)
language plpgsql stable as $$
declare v_no bigint; v_last bigint;
begin
  select s.run_no, s.last_seq into v_no, v_last
    from taffrail.run r join taffrail.stream s on s.run_no = r.run_no
    where r.run_id = p_run and s.stream = p_stream;
  if not found then return; end if;
  return query
  -- The line before the page says whether it is the place that is meant.
  with part as (
    select l.seq, l.line, l.damaged,
      sum(coalesce(octet_length(l.line), octet_length(l.damaged))) over (order by l.seq)
        - coalesce(octet_length(l.line), octet_length(l.damaged)) as before
    from taffrail.line l
    where l.run_no = v_no and l.stream = p_stream and l.seq >= p_after
      and l.seq <= least(v_last, p_after + p_limit)
    order by l.seq
  )
  select v_no, v_last, count(*)::int,
    string_agg(coalesce(x.line, ''), chr(10) order by x.seq),
    string_agg(x.seq || ' ' || encode(x.damaged, 'hex'), chr(10)) filter (where x.line is null)
  from part x where x.before < p_bytes or x.seq <= p_after + 1;
end $$;

create function taffrail.peek_1(p_run text, p_bytes int) returns table (
  first_line text, last_seq bigint, bytes bigint, from_seq bigint, lines text
)
language plpgsql stable as $$
declare v_no bigint; v_last bigint; v_bytes bigint;
begin
  select s.run_no, s.last_seq, s.bytes into v_no, v_last, v_bytes
    from taffrail.run r join taffrail.stream s on s.run_no = r.run_no
    where r.run_id = p_run and s.stream = 'e';
  if not found then return; end if;
  return query
  with recursive tail as (
    select l.seq, l.line, coalesce(octet_length(l.line), 0)::bigint as total
      from taffrail.line l where l.run_no = v_no and l.stream = 'e' and l.seq = v_last
    union all
    select l.seq, l.line, t.total + coalesce(octet_length(l.line), 0) + 1
      from tail t join taffrail.line l
        on l.run_no = v_no and l.stream = 'e' and l.seq = t.seq - 1
      where t.total + coalesce(octet_length(l.line), 0) < p_bytes
  )
  select (select l.line from taffrail.line l where l.run_no = v_no and l.stream = 'e' and l.seq = 1),
    v_last, v_bytes, (select min(seq) from tail),
    (select string_agg(t.line, chr(10) order by t.seq) from tail t);
end $$;

create function taffrail.last_line_1(p_run text, p_stream "char")
returns table (is_there boolean, line text)
language sql stable as $$
  select true, (select l.line from taffrail.line l
    where l.run_no = s.run_no and l.stream = s.stream and l.seq = s.last_seq)
  from taffrail.run r join taffrail.stream s using (run_no)
  where r.run_id = p_run and s.stream = p_stream
$$;

create function taffrail.has_document_1(p_run text, p_name text) returns boolean
language sql stable as $$
  select exists (select 1 from taffrail.doc d where d.run_no = r.run_no and d.name = p_name)
  from taffrail.run r where r.run_id = p_run
$$;

create function taffrail.document_1(p_run text, p_name text)
returns table (is_there boolean, body bytea)
language sql stable as $$
  select true, (select d.body from taffrail.doc d where d.run_no = r.run_no and d.name = p_name)
  from taffrail.run r where r.run_id = p_run
$$;

create function taffrail.output_1(
  p_run text, p_node text, p_attempt int, p_stream text, p_from bigint, p_length bigint
) returns table (is_there boolean, size bigint, bytes bytea)
language plpgsql stable as $$
declare v_no bigint; v_size bigint; v_from bigint; v_to bigint;
begin
  select r.run_no into v_no from taffrail.run r where r.run_id = p_run;
  if not found then return; end if;
  select sum(octet_length(o.bytes)) into v_size from taffrail.output o
    where o.run_no = v_no and o.node = p_node and o.attempt = p_attempt and o.stream = p_stream;
  -- A negative beginning counts from the end.
  v_from := least(coalesce(v_size, 0), case when p_from < 0 then greatest(0, v_size + p_from) else p_from end);
  v_to := least(coalesce(v_size, 0), v_from + p_length);
  return query
  with pieces as (
    select o.piece, o.bytes,
      sum(octet_length(o.bytes)) over (order by o.piece) - octet_length(o.bytes) as at
    from taffrail.output o
    where o.run_no = v_no and o.node = p_node and o.attempt = p_attempt and o.stream = p_stream
  )
  select true, v_size, (
    select string_agg(substring(x.bytes from greatest(0, v_from - x.at)::int + 1
        for (least(x.at + octet_length(x.bytes), v_to) - greatest(x.at, v_from))::int), ''::bytea order by x.piece)
    from pieces x where x.at < v_to and x.at + octet_length(x.bytes) > v_from);
end $$;

create function taffrail.size_1(p_run text) returns bigint
language sql stable as $$
  select (select coalesce(sum(s.bytes), 0) from taffrail.stream s where s.run_no = r.run_no)
    + (select coalesce(sum(octet_length(d.body)), 0) from taffrail.doc d where d.run_no = r.run_no)
    + (select coalesce(sum(octet_length(o.bytes)), 0) from taffrail.output o where o.run_no = r.run_no)
  from taffrail.run r where r.run_id = p_run
$$;
`;
