-- The rows are few and rewritten all the time. With four fifths of each page empty, updates stay in their page also
-- while an older snapshot keeps their former versions for a moment.
alter table worker_beats set (fillfactor = 20);
