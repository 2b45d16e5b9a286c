"""What operators and workers may do to a single slice beside running it: tables and columns of a later version.

A paused row of the schedule is never due; ``pause`` says until when, by whom and why. ``paused`` is 0 for what runs, 1
for what somebody paused, 2 for what was set aside as its runs took their workers down. ``tries`` counts the workers
that were lost over the same tick. ``unseen`` is since when no live worker serves the region, once that was found;
``unseen_was`` is the health before that. A row of ``region`` tells when a live worker last served it; ``served`` is 0
as long as none ever did, and ``seen`` is then when the first slice of the region came. ``fence`` counts how often each
lock was taken, and keeps who took it last: see :mod:`reconciler.store.locks`.
"""

from __future__ import annotations

OPERATING = """
alter table schedule add column tries bigint not null default 0;
alter table schedule add column paused bigint not null default 0;
alter table schedule add column unseen {REAL};
alter table schedule add column unseen_was text;
drop index schedule_due;
create index schedule_due on schedule (region, due_at) where lease = 0 and paused = 0;
create index schedule_unseen on schedule (region) where unseen is not null;
create table pause (
  place bigint primary key, at {REAL} not null, until {REAL}, actor text not null, reason text not null) {ROWLESS};
create index pause_until on pause (until) where until is not null;
create table region (name text primary key, seen {REAL} not null, served bigint not null) {ROWLESS};
insert into region select distinct region, {NOW}, 0 from schedule;
create table fence (key text primary key, n bigint not null, holder text not null, at {REAL} not null) {ROWLESS}
"""
