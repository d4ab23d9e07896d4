-- Budgets of single repositories and people.

-- Who asked for the current run: counts against that person's budget. Null counts against nobody's.
alter table work_items add column requested_by text;
-- The same as it was at the claim: what an attempt takes counts for whoever asked for it, whoever asks for the next run.
alter table workers add column requested_by text;

-- The first item of each person in each repository, for claims that have to leave some of those out. It takes the place
-- of `work_items_claim_by_repo`: an older orchestrator that still runs finds the same items without that, only slower.
create index work_items_claim_by_repo_and_user
    on work_items (lower(repo), coalesce(lower(requested_by), ''), priority, queued_at, id)
    where status = 'queued' and next_retry_at is null;
drop index work_items_claim_by_repo;
