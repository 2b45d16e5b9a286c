"""What operators and workers may do to a single slice beside running it: tables and columns of a later version.

A paused row of the schedule is never due; ``pause`` says until when, by whom and why. ``paused`` is 0 for what runs, 1
for what somebody paused, 2 for what was set aside as its runs took their workers down. ``tries`` counts the workers
that were lost over the same tick. ``unseen`` is when it was found that no live worker serves the region, else null;
``unseen_was`` is the health before that.
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
create index pause_until on pause (until) where until is not null
"""
