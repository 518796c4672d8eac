/**
 * Functions by which runs are made and held. What is always true:
 *
 * 1. **Who holds a run has the advisory lock of its number and token**, on a session of its own: the server
 *    gives that up when the session ends, however its process died.
 * 2. **The token only grows**, also across a failover that loses the last holder: it is at least the
 *    microseconds since 1970. Each stream has it too, so that an append needs no lock but that of its stream.
 * 3. **Whoever takes a run over has another lock than the one before**: a frozen holder keeps a lock that says
 *    nothing any more, and needs not be ended.
 */
export const HOLDING = `
create function taffrail.lock_key(p_run bigint, p_token bigint) returns bigint
language sql immutable parallel safe as
$$ select hashtextextended('taffrail:' || p_run || ':' || p_token, 0) $$;

create function taffrail.is_locked(p_run bigint, p_token bigint) returns boolean
language sql stable as $$
  select exists (
    select 1 from pg_catalog.pg_locks l, (select taffrail.lock_key(p_run, p_token) as k) key
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1
      and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database())
      and l.classid::bigint = ((key.k >> 32) & 4294967295) and l.objid::bigint = (key.k & 4294967295))
$$;

create function taffrail.is_own_lock(p_run bigint, p_token bigint) returns boolean
language sql stable as $$
  select exists (
    select 1 from pg_catalog.pg_locks l, (select taffrail.lock_key(p_run, p_token) as k) key
    where l.locktype = 'advisory' and l.granted and l.objsubid = 1 and l.pid = pg_backend_pid()
      and l.classid::bigint = ((key.k >> 32) & 4294967295) and l.objid::bigint = (key.k & 4294967295))
$$;

create function taffrail.new_token(p_last bigint) returns bigint
language sql volatile as
$$ select greatest(p_last + 1, (extract(epoch from clock_timestamp()) * 1000000)::bigint) $$;

create function taffrail.create_run_1(
  p_run text, p_ulid text, p_about bytea, p_holder text, p_lease int
) returns table (status text, run_no bigint, token bigint, last_ulid text)
language plpgsql as $$
declare
  v_last text; v_no bigint; v_token bigint := taffrail.new_token(0);
begin
  perform set_config('synchronous_commit', 'on', true);
  if p_ulid is not null then
    select m.value into v_last from taffrail.meta m where m.name = 'ulid' for update;
    if v_last >= p_ulid then
      return query select 'ulid', 0::bigint, 0::bigint, v_last; return;
    end if;
    update taffrail.meta m set value = p_ulid where m.name = 'ulid';
  end if;
  insert into taffrail.run as r (run_id, token, holder, lease_until)
    values (p_run, v_token, p_holder, clock_timestamp() + make_interval(secs => p_lease))
    on conflict (run_id) do nothing returning r.run_no into v_no;
  if v_no is null then
    return query select 'exists', 0::bigint, 0::bigint, null::text; return;
  end if;
  perform pg_advisory_lock(taffrail.lock_key(v_no, v_token));
  insert into taffrail.stream (run_no, stream, token)
    select v_no, s::"char", v_token from unnest(array['c', 'e', 'p', 'i']) s;
  insert into taffrail.doc values (v_no, 'run.json', p_about);
  return query select 'ok', v_no, v_token, null::text;
end $$;

create function taffrail.hold_run_1(
  p_run text, p_holder text, p_lease int, p_take_over boolean
) returns table (
  status text, run_no bigint, token bigint, holder text, about bytea,
  seqs text
)
language plpgsql as $$
declare v_no bigint; v_token bigint; v_holder text; v_about bytea; v_seqs text;
begin
  perform set_config('synchronous_commit', 'on', true);
  select r.run_no, r.token, r.holder into v_no, v_token, v_holder
    from taffrail.run r where r.run_id = p_run for no key update;
  if not found then
    return query select 'missing', 0::bigint, 0::bigint, null::text, null::bytea, null::text; return;
  end if;
  select d.body into v_about from taffrail.doc d where d.run_no = v_no and d.name = 'run.json';
  if taffrail.is_locked(v_no, v_token) and not p_take_over then
    return query select 'live', v_no, v_token, v_holder, v_about, null::text; return;
  end if;
  v_token := taffrail.new_token(v_token);
  perform pg_advisory_lock(taffrail.lock_key(v_no, v_token));
  update taffrail.run r set token = v_token, holder = p_holder,
    lease_until = clock_timestamp() + make_interval(secs => p_lease) where r.run_no = v_no;
  update taffrail.stream s set token = v_token where s.run_no = v_no and s.stream <> 'i';
  select string_agg(s.stream::text || ' ' || s.last_seq || ' ' || coalesce(s.last_op, ''), chr(10))
    into v_seqs from taffrail.stream s where s.run_no = v_no;
  return query select 'ok', v_no, v_token, v_holder, v_about, v_seqs;
end $$;

create function taffrail.hold_again_1(p_run bigint, p_token bigint, p_lease int) returns text
language plpgsql as $$
declare v_token bigint; v_until timestamptz;
begin
  select r.token, r.lease_until into v_token, v_until
    from taffrail.run r where r.run_no = p_run for no key update;
  if v_token is distinct from p_token or v_until is null then return 'lost'; end if;
  -- The server may not have noticed yet that the session before this one is gone.
  if not pg_try_advisory_lock(taffrail.lock_key(p_run, p_token)) then return 'waits'; end if;
  update taffrail.run r set lease_until = clock_timestamp() + make_interval(secs => p_lease)
    where r.run_no = p_run;
  return 'held';
end $$;

create function taffrail.renew_1(p_runs text, p_lease int) returns text
language plpgsql as $$
declare v_held text;
begin
  perform set_config('synchronous_commit', 'off', true);
  with mine as (
    select split_part(t, ' ', 1)::bigint as run_no, split_part(t, ' ', 2)::bigint as token
    from string_to_table(p_runs, chr(10)) t
  ), renewed as (
    update taffrail.run r set lease_until = clock_timestamp() + make_interval(secs => p_lease)
    from mine m where r.run_no = m.run_no and r.token = m.token and r.lease_until is not null
      and taffrail.is_own_lock(r.run_no, r.token)
    returning r.run_no
  )
  select string_agg(run_no::text, ' ') into v_held from renewed;
  return coalesce(v_held, '');
end $$;

create function taffrail.open_log_1(p_run text, p_about bytea) returns bigint
language plpgsql as $$
declare v_no bigint;
begin
  perform set_config('synchronous_commit', 'on', true);
  insert into taffrail.run as r (run_id, token) values (p_run, taffrail.new_token(0))
    on conflict (run_id) do nothing returning r.run_no into v_no;
  if v_no is not null then
    insert into taffrail.stream (run_no, stream, token)
      select v_no, s::"char", 0 from unnest(array['c', 'e', 'p', 'i']) s;
    insert into taffrail.doc values (v_no, 'run.json', p_about);
    return v_no;
  end if;
  return (select r.run_no from taffrail.run r where r.run_id = p_run);
end $$;

create function taffrail.release_1(p_run bigint, p_token bigint) returns void
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  update taffrail.run r set holder = null, lease_until = null
    where r.run_no = p_run and r.token = p_token;
  perform pg_advisory_unlock(taffrail.lock_key(p_run, p_token));
end $$;

create function taffrail.remove_run_1(p_run text) returns text
language plpgsql as $$
declare v_no bigint; v_token bigint;
begin
  perform set_config('synchronous_commit', 'on', true);
  select r.run_no, r.token into v_no, v_token
    from taffrail.run r where r.run_id = p_run for update;
  if not found then return 'missing'; end if;
  if taffrail.is_locked(v_no, v_token) then return 'live'; end if;
  delete from taffrail.run r where r.run_no = v_no;
  delete from taffrail.stream s where s.run_no = v_no;
  delete from taffrail.job j where j.run_no = v_no;
  insert into taffrail.removed values (v_no);
  return 'ok';
end $$;

create function taffrail.receive_run_1(p_run text, p_lease int)
returns table (status text, run_no bigint, token bigint)
language plpgsql as $$
declare v_no bigint; v_token bigint := taffrail.new_token(0);
begin
  if exists (select 1 from taffrail.run r where r.run_id = p_run) then
    return query select 'exists', 0::bigint, 0::bigint; return;
  end if;
  insert into taffrail.run as r (token, lease_until)
    values (v_token, clock_timestamp() + make_interval(secs => p_lease))
    returning r.run_no into v_no;
  perform pg_advisory_lock(taffrail.lock_key(v_no, v_token));
  insert into taffrail.stream (run_no, stream, token)
    select v_no, s::"char", v_token from unnest(array['c', 'e', 'p', 'i']) s;
  return query select 'ok', v_no, v_token;
end $$;

create function taffrail.commit_run_1(p_run bigint, p_token bigint, p_id text) returns text
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'on', true);
  update taffrail.run r set run_id = p_id, lease_until = null
    where r.run_no = p_run and r.token = p_token and (r.run_id is null or r.run_id = p_id);
  if not found then return 'fenced'; end if;
  return 'ok';
exception when unique_violation then
  return 'exists';
end $$;

create function taffrail.drop_run_1(p_run bigint, p_token bigint) returns void
language plpgsql as $$
begin
  delete from taffrail.run r where r.run_no = p_run and r.token = p_token and r.run_id is null;
  if found then
    delete from taffrail.stream s where s.run_no = p_run;
    insert into taffrail.removed values (p_run);
  end if;
end $$;

create function taffrail.sweep_1(p_limit int) returns table (swept int, has_more boolean)
language plpgsql as $$
declare v_no bigint; v_gone int := 0; v_rows int; v_left int := p_limit;
begin
  -- What was on its way in when its process died.
  with lost as (
    delete from taffrail.run r where r.run_no in (
      select x.run_no from taffrail.run x
      where x.run_id is null and not taffrail.is_locked(x.run_no, x.token) for update skip locked
    ) returning r.run_no
  ), streams as (
    delete from taffrail.stream s using lost where s.run_no = lost.run_no
  )
  insert into taffrail.removed select lost.run_no from lost;
  loop
    select r.run_no into v_no from taffrail.removed r limit 1 for update skip locked;
    if not found then return query select v_gone, false; return; end if;
    delete from taffrail.line l where l.ctid = any (array(
      select x.ctid from taffrail.line x where x.run_no = v_no limit v_left));
    get diagnostics v_rows = row_count; v_left := v_left - v_rows;
    if v_left > 0 then
      delete from taffrail.output o where o.ctid = any (array(
        select x.ctid from taffrail.output x where x.run_no = v_no limit v_left));
      get diagnostics v_rows = row_count; v_left := v_left - v_rows;
    end if;
    if v_left <= 0 then return query select v_gone, true; return; end if;
    delete from taffrail.doc d where d.run_no = v_no;
    delete from taffrail.removed r where r.run_no = v_no;
    v_gone := v_gone + 1;
  end loop;
end $$;
`;
