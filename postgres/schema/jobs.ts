/**
 * Attempts that workers make. What is always true:
 *
 * 1. **A job is made by one worker at a time**, the one that has its token. A worker that is lost, or frozen, has an
 *    older one: nothing that it sends is taken, so an end is recorded once, whoever did the work.
 * 2. **Whoever holds the run decides**: only the holder offers, cancels and removes jobs, and only the answer that
 *    it takes counts.
 * 3. A worker takes the oldest of the most urgent jobs, of each run in turn, so that a large run does not keep a
 *    small one waiting.
 * 4. A job is there no longer than it is needed: what it carries, literal variables among it, is deleted with it.
 */
export const JOBS = `
create table taffrail.job (
  job_no bigint generated always as identity primary key,
  run_no bigint not null,
  node text collate "C" not null,
  attempt int not null,
  labels text[] not null,
  priority int not null,
  payload text not null,
  queued_at timestamptz not null default clock_timestamp(),
  state "char" not null default 'r',
  token bigint not null default 0,
  worker text,
  claim text,
  lease_until timestamptz,
  cancel text,
  answer text,
  unique (run_no, node, attempt)
) with (fillfactor = 70);
comment on column taffrail.job.state is 'r = ready, t = taken by a worker, d = done, l = lost with its worker.';
create index job_ready on taffrail.job (run_no, priority, job_no) where state = 'r';
create index job_over on taffrail.job (run_no) where state in ('d', 'l');

create function taffrail.offer_job_1(
  p_run bigint, p_token bigint, p_node text, p_attempt int, p_labels text, p_priority int, p_payload text
) returns bigint
language plpgsql as $$
declare v_job bigint;
begin
  -- Whoever has offered it looks whether it is there, and offers again what a crash has taken.
  perform set_config('synchronous_commit', 'off', true);
  if not taffrail.holds(p_run, p_token) then return null; end if;
  insert into taffrail.job as j (run_no, node, attempt, labels, priority, payload)
    values (p_run, p_node, p_attempt, string_to_array(p_labels, chr(10)), p_priority, p_payload)
    on conflict (run_no, node, attempt) do nothing returning j.job_no into v_job;
  if v_job is null then
    select j.job_no into v_job from taffrail.job j
      where j.run_no = p_run and j.node = p_node and j.attempt = p_attempt;
  end if;
  return v_job;
end $$;

create function taffrail.cancel_job_1(p_run bigint, p_token bigint, p_job bigint, p_how text) returns text
language plpgsql as $$
declare v_state "char";
begin
  -- A crash must not bring back what nobody was to begin.
  perform set_config('synchronous_commit', 'on', true);
  if not taffrail.holds(p_run, p_token) then return 'fenced'; end if;
  select j.state into v_state from taffrail.job j where j.job_no = p_job and j.run_no = p_run for update;
  if not found then return 'gone'; end if;
  if v_state = 'r' then
    delete from taffrail.job j where j.job_no = p_job;
    return 'unbegun';
  end if;
  if v_state = 't' then update taffrail.job j set cancel = p_how where j.job_no = p_job; end if;
  return 'cancelled';
end $$;

create function taffrail.look_at_jobs_1(p_run bigint, p_token bigint, p_all boolean) returns table (
  job_no bigint, node text, attempt int, state text, worker text, answer text
)
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  if not taffrail.holds(p_run, p_token) then return; end if;
  -- The time of the server is the only one that all agree on.
  update taffrail.job j set state = 'l', token = j.token + 1
    where j.run_no = p_run and j.state = 't' and j.lease_until < clock_timestamp();
  -- A look alone has nothing that a crash could take.
  if found then perform set_config('synchronous_commit', 'on', true); end if;
  return query select j.job_no, j.node, j.attempt, j.state::text, j.worker, j.answer
    from taffrail.job j where j.run_no = p_run and (p_all or j.state in ('d', 'l'));
end $$;

create function taffrail.remove_jobs_1(p_run bigint, p_token bigint, p_jobs text) returns void
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  if not taffrail.holds(p_run, p_token) then return; end if;
  delete from taffrail.job j where j.run_no = p_run
    and j.job_no = any (string_to_array(p_jobs, ' ')::bigint[]);
end $$;

create function taffrail.claim_jobs_1(
  p_worker text, p_labels text, p_limit int, p_lease int, p_claim text, p_unanswered text
) returns table (
  job_no bigint, token bigint, run_id text, node text, attempt int, payload text
)
language plpgsql as $$
declare v_labels text[] := string_to_array(p_labels, chr(10));
begin
  perform set_config('synchronous_commit', 'on', true);
  -- Nobody has begun what was taken by a claim that got no answer.
  if p_unanswered <> '' then
    update taffrail.job j set state = 'r', token = j.token + 1, worker = null, lease_until = null
      where j.state = 't' and j.claim = any (string_to_array(p_unanswered, ' '));
  end if;
  -- Who has asked for the end of one that was given back asks for it still.
  return query
  with recursive runs as (
    (select j.run_no from taffrail.job j where j.state = 'r' order by j.run_no limit 1)
    union all
    select (select j.run_no from taffrail.job j
      where j.state = 'r' and j.run_no > runs.run_no order by j.run_no limit 1)
    from runs where runs.run_no is not null
  ), candidates as (
    select c.job_no, c.priority, c.nth from runs cross join lateral (
      select j.job_no, j.priority, row_number() over (order by j.priority, j.job_no) as nth
      from taffrail.job j
      where j.run_no = runs.run_no and j.state = 'r' and j.labels <@ v_labels
      order by j.priority, j.job_no limit 4 * p_limit
    ) c
  ), chosen as (
    select j.job_no from taffrail.job j join candidates c on c.job_no = j.job_no
    where j.state = 'r' order by c.priority, c.nth, j.job_no limit p_limit
    for update of j skip locked
  )
  update taffrail.job j set state = 't', token = j.token + 1, worker = p_worker, claim = p_claim,
    lease_until = clock_timestamp() + make_interval(secs => p_lease)
  from chosen, taffrail.run r where j.job_no = chosen.job_no and r.run_no = j.run_no
  returning j.job_no, j.token, r.run_id, j.node, j.attempt, j.payload;
end $$;

create function taffrail.renew_jobs_1(p_jobs text, p_lease int)
returns table (job_no bigint, cancel text)
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  return query
  update taffrail.job j set lease_until = clock_timestamp() + make_interval(secs => p_lease)
  from string_to_table(p_jobs, chr(10)) t
  where j.job_no = split_part(t, ' ', 1)::bigint and j.token = split_part(t, ' ', 2)::bigint
    and j.state = 't'
  returning j.job_no, j.cancel;
end $$;

create function taffrail.end_job_1(p_job bigint, p_token bigint, p_answer text) returns bigint
language plpgsql as $$
declare v_run bigint;
begin
  perform set_config('synchronous_commit', 'on', true);
  update taffrail.job j set state = 'd', answer = p_answer
    where j.job_no = p_job and j.token = p_token
      and (j.state = 't' or (j.state = 'd' and j.answer = p_answer))
    returning j.run_no into v_run;
  return v_run;
end $$;

create function taffrail.give_back_job_1(p_job bigint, p_token bigint) returns void
language plpgsql as $$
begin
  update taffrail.job j set state = 'r', token = j.token + 1, worker = null, lease_until = null
    where j.job_no = p_job and j.token = p_token and j.state = 't';
end $$;

create function taffrail.put_job_output_1(
  p_job bigint, p_token bigint, p_stream text, p_piece int, p_bytes bytea, p_wait boolean
) returns boolean
language plpgsql as $$
declare v_run bigint; v_node text; v_attempt int;
begin
  perform taffrail.wait_for_disk(p_wait);
  select j.run_no, j.node, j.attempt into v_run, v_node, v_attempt from taffrail.job j
    where j.job_no = p_job and j.token = p_token and j.state = 't' for share;
  if not found then return false; end if;
  if p_piece = 0 then
    delete from taffrail.output o where o.run_no = v_run and o.node = v_node
      and o.attempt = v_attempt and o.stream = p_stream;
  end if;
  if p_bytes is not null then
    insert into taffrail.output values (v_run, v_node, v_attempt, p_stream, p_piece, p_bytes)
      on conflict (run_no, node, attempt, stream, piece) do update set bytes = excluded.bytes;
  end if;
  return true;
end $$;

create function taffrail.wake_workers_1() returns void
language plpgsql as $$
begin
  perform set_config('synchronous_commit', 'off', true);
  perform pg_notify('taffrail', 'jobs');
end $$;
`;
