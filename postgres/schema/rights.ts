/**
 * Who may do what. Roles get functions only, which run with the rights of the schema's owner and a fixed
 * search path; no role but the owner can touch a table, or anybody's lock.
 */
export const RIGHTS = `
create function taffrail.grant_1(p_role text, p_kind text) returns void
language plpgsql as $$
declare
  v_reader constant text[] := array['about_1', 'list_runs_1', 'holder_1', 'last_seq_1', 'read_lines_1',
    'peek_1', 'last_line_1', 'has_document_1', 'document_1', 'output_1', 'size_1'];
  v_runner constant text[] := array['create_run_1', 'hold_run_1', 'hold_again_1', 'renew_1', 'release_1',
    'open_log_1', 'receive_run_1',
    'commit_run_1', 'drop_run_1', 'remove_run_1', 'sweep_1', 'append_lines_1', 'restore_lines_1', 'wake_1', 'post_1',
    'put_document_1', 'put_output_1', 'digest_key_1', 'offer_job_1', 'cancel_job_1', 'look_at_jobs_1',
    'remove_jobs_1', 'wake_workers_1'];
  v_worker constant text[] := array['about_1', 'claim_jobs_1', 'renew_jobs_1', 'end_job_1',
    'give_back_job_1', 'put_job_output_1', 'output_1', 'wake_1', 'wake_workers_1'];
  v_names text[];
  v_function regprocedure;
begin
  v_names := case p_kind when 'reader' then v_reader when 'runner' then v_reader || v_runner
    when 'worker' then v_worker end;
  if v_names is null then raise exception 'there is no kind of role %', p_kind; end if;
  execute format('grant usage on schema taffrail to %I', p_role);
  for v_function in select p.oid from pg_catalog.pg_proc p
    where p.pronamespace = 'taffrail'::regnamespace and p.proname = any (v_names)
  loop
    execute format('grant execute on function %s to %I', v_function, p_role);
  end loop;
end $$;
`;

/** Run behind all functions. */
export const HARDENING = `
do $harden$
declare v_function regprocedure;
begin
  revoke all on schema taffrail from public;
  for v_function in
    select p.oid from pg_catalog.pg_proc p where p.pronamespace = 'taffrail'::regnamespace
  loop
    execute format('revoke all on function %s from public', v_function);
    if v_function::text !~ 'grant_1' then
      execute format('alter function %s security definer set search_path = pg_catalog, pg_temp', v_function);
    end if;
  end loop;
end $harden$;
`;
