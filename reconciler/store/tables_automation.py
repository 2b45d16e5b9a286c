"""The tables of automations: what happened, what waits for it, what runs, and what was done.

``event`` is the inbox of everything that isn't a change of health (those wait in ``transition``); whoever holds the
leadership ``triggers`` takes events in, and starts or wakes runs, in one transaction with marking them handled. A run
belongs to whoever leased it; ``ready_at`` is when it can go on (null: when something wakes it, or in a queue when it is
its turn). Runs of one ``lane`` make way for each other. ``detail`` is the event that started a run, as JSON.
``snapshot`` is all that a run needs to go on after its last completed step; it is cleared when the run has ended.
``tries`` counts the workers that were lost over it since something of it was kept.
Changes of health from before there were automations start nothing.

``systems`` of incidents and maintenances is JSON: ``[uid, uid of the environment or 0, name]`` of each, so that a
renamed system stays what they are about. ``key`` is that of the step that made the row (null: a person did), so that a
step which is done again doesn't make another. A maintenance's ``starts`` and ``ends`` are those of the next or current
time where it recurs; ``held_from`` is when one before it began, whose held back changes it holds back further.
``webhook_seen`` remembers what came in, so that it can't come in twice.
"""

from __future__ import annotations

_RUNS = """
update transition set handled_at = at where handled_at is null;
create table event (
  id {IDENT}, name text not null, context_key text, automation bigint not null, payload text not null,
  actor text not null, at {REAL} not null, handled_at {REAL});
create index event_waiting on event (id) where handled_at is null;
create table leader (
  what text primary key, worker text not null, until {REAL} not null, fence bigint not null) {ROWLESS};
create table trigger_state (
  automation bigint not null, trigger_index bigint not null, what text not null, part text not null,
  due_at {REAL}, digest text not null, value text not null,
  primary key (automation, trigger_index, what, part)) {ROWLESS};
create index trigger_due on trigger_state (due_at) where due_at is not null;
create table automation_run (
  id {IDENT}, automation bigint not null, generation bigint not null, digest text not null, trigger_id text,
  event text not null, event_id text not null, detail text not null, context_key text, lane text not null,
  status text not null, reason text,
  created {REAL} not null, started {REAL}, ended {REAL}, ready_at {REAL}, lease bigint not null,
  worker text not null, lease_until {REAL} not null, snapshot text, tries bigint not null default 0,
  unique (automation, event_id));
create index automation_run_active on automation_run (automation, lane, id) where ended is null;
create index automation_run_ready on automation_run (ready_at) where ended is null and lease = 0;
create index automation_run_leased on automation_run (lease_until) where lease <> 0;
create index automation_run_ended on automation_run (ended) where ended is not null;
create index automation_run_of on automation_run (automation, id);
create table automation_step (
  run bigint not null, seq bigint not null, path text not null, block text not null, action text, step_id text,
  status text not null, at {REAL} not null, ended {REAL}, attempts bigint not null, result text not null,
  error text, primary key (run, seq)) {ROWLESS};
create table automation_wait (
  run bigint not null, path text not null, kind text not null, event text, context_key text, due_at {REAL},
  armed_at {REAL} not null, resumed_at {REAL}, payload text, primary key (run, path)) {ROWLESS};
create index automation_wait_event on automation_wait (event) where resumed_at is null;
create index automation_wait_until on automation_wait (run) where kind = 'until' and resumed_at is null;
create table artifact (
  automation bigint not null, context_key text not null, type text not null, run bigint not null,
  step_id text not null, value text not null, at {REAL} not null,
  primary key (automation, context_key, type)) {ROWLESS}
"""

_DELIVERIES = """
create table delivery (
  id {IDENT}, key text not null unique, run bigint not null, path text not null, automation bigint not null,
  action text not null, target text not null, request text not null, status text not null, attempts bigint not null,
  next_at {REAL}, response text, error text, created {REAL} not null, updated {REAL} not null);
create index delivery_dead on delivery (id) where status = 'dead';
create index delivery_pending on delivery (run) where status = 'pending'
"""

_INCIDENTS = """
create table incident (
  id text primary key, title text not null, description text not null, severity text not null, status text not null,
  systems text not null, automation bigint not null, run bigint not null, actor text not null, at {REAL} not null,
  updated {REAL} not null, resolved {REAL}, key text unique) {ROWLESS};
create index incident_open on incident (at) where resolved is null;
create table incident_update (
  incident text not null, n bigint not null, at {REAL} not null, actor text not null, status text not null,
  severity text not null, message text not null, key text unique, primary key (incident, n)) {ROWLESS};
create table maintenance (
  id text primary key, title text not null, description text not null, systems text not null, status text not null,
  starts {REAL} not null, ends {REAL}, cron text, duration_ms bigint, timezone text not null,
  suppress bigint not null, automation bigint not null, run bigint not null, actor text not null, at {REAL} not null,
  updated {REAL} not null, ended {REAL}, held_from {REAL}, key text unique) {ROWLESS};
create index maintenance_ahead on maintenance (starts) where ended is null;
create table webhook_seen (
  automation bigint not null, digest text not null, at {REAL} not null, event bigint not null,
  primary key (automation, digest)) {ROWLESS};
create index webhook_seen_at on webhook_seen (at)
"""

AUTOMATION = ";\n".join((_RUNS.rstrip(), _DELIVERIES.rstrip(), _INCIDENTS))
"""All of them, in one step."""
