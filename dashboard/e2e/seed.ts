import { execFileSync } from "node:child_process";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { type APIRequestContext, expect } from "@playwright/test";
import { cancel, type Item, submit } from "./fixtures";

const databaseUrl = process.env.DATABASE_URL;
const workerApiUrl = process.env.WORKER_API_URL;

/** Whether the tests may add rows and act as a worker: `whim-demo` sets both variables. */
export const canSeed = Boolean(databaseUrl && workerApiUrl);

/** Runs a statement. `values` are its psql variables: `:'name'` is a quoted literal. */
export function sql(statement: string, values: Record<string, string> = {}): void {
  const variables = Object.entries(values).flatMap(([name, value]) => ["-v", `${name}=${value}`]);
  execFileSync(
    "psql",
    ["--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", ...variables, "-f", "-", databaseUrl ?? ""],
    { input: statement },
  );
}

export interface LearningSeed {
  text: string;
  kind?: "pattern" | "gotcha" | "approach";
  repo?: string;
}

/** A UUIDv7: lists are sorted by their identifiers. */
function newId(): string {
  const time = Date.now().toString(16).padStart(12, "0");
  const random = randomBytes(10).toString("hex");
  const digits = `${time}7${random.slice(0, 3)}8${random.slice(3, 18)}`;
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** A learning that a merged pull request accepted. */
export function addLearning({
  text,
  kind = "gotcha",
  repo = "acme/wordsmith",
}: LearningSeed): string {
  const id = newId();
  sql(
    "insert into learnings (id, repo, kind, text, text_hash, words, accepted_at) values (:'id'::uuid, :'repo', :'kind', :'text', sha256(:'text'), '{}', now())",
    { id, repo, kind, text },
  );
  return id;
}

/** Lets some of the attempts of `addOutcomes` have received a learning, and others of them have used it. */
export function addUses(learningId: string, { shown, cited }: { shown: number; cited: number }) {
  sql(
    `insert into learning_injections (worker_id, learning_id, position, score, is_cited)
     select worker_id, :'learning'::uuid, 1, 0.5, row_number() over (order by worker_id) <= :cited
     from (select worker_id from learning_attempts a join workers w on w.id = a.worker_id
           where w.started_at = '2020-01-01' limit :shown) attempts`,
    { learning: learningId, shown: String(shown), cited: String(cited) },
  );
}

export interface OutcomeSeed {
  repo: string;
  /** Without learnings, for comparison. */
  holdout?: boolean;
  items: number;
  /** How many of them were completed; the others failed. */
  completed: number;
  /** How many of them needed a second attempt. */
  retried: number;
  /** Of each item, give or take one. */
  iterations: number;
  costUsd: number;
}

/** Ended items for which there were learnings, older than all others. `removeOutcomes` removes them. */
export function addOutcomes(seed: OutcomeSeed): void {
  sql(
    `with seeded as (
         select n, overlay(gen_random_uuid()::text placing '01000000' from 1)::uuid as id
         from generate_series(0, :items - 1) n
     ), attempts as (
         select s.n, s.id as item, epoch, gen_random_uuid() as id
         from seeded s join generate_series(1, 2) epoch on epoch = 1 or s.n < :retried
     ), new_items as (
         insert into work_items (id, repo, branch, status, priority, source, lease_epoch, pr_url, tasks_total, created_at,
                                 started_at, ended_at)
         select id, :'repo', 'whim/' || id, (case when n < :completed then 'completed' else 'failed' end)::work_item_status,
                'medium', 'api', 2, 'https://github.com/' || :'repo' || '/pull/1', 4, '2020-01-01', '2020-01-01', '2020-01-01'
         from seeded
     ), new_texts as (
         insert into work_item_texts (work_item_id) select id from seeded
     ), new_workers as (
         insert into workers (id, work_item_id, lease_epoch, status, token_hash, nonce, max_iterations, runtime, instance,
                              started_at, registered_at, ended_at, stopped_at)
         select id, item, epoch, 'failed', sha256(id::text::bytea), 'e2e', 10, 'process', 'e2e', '2020-01-01',
                '2020-01-01', '2020-01-01', '2020-01-01'
         from attempts
     ), new_heartbeats as (
         insert into worker_heartbeats (worker_id, lease_expires_at, stats)
         select id, '2020-01-01', case when epoch = 1 then jsonb_build_object('costUsd', :cost * (0.8 + 0.2 * (n % 3))) else '{}' end
         from attempts
     ), new_attempts as (
         insert into learning_attempts (worker_id, work_item_id, repo, is_holdout, learning_count, text)
         select id, item, :'repo', :holdout, 3, '' from attempts
     )
     insert into worker_iterations (worker_id, iteration, day)
     select a.id, i, '2020-01-01' from attempts a cross join generate_series(1, :iterations + a.n % 3 - 1) i
     where a.epoch = 1;`,
    {
      repo: seed.repo,
      holdout: String(seed.holdout ?? false),
      items: String(seed.items),
      completed: String(seed.completed),
      retried: String(seed.retried),
      iterations: String(seed.iterations),
      cost: String(seed.costUsd),
    },
  );
}

/** Removes the items of `addOutcomes`. */
export function removeOutcomes(): void {
  sql("delete from work_items where ended_at = '2020-01-01'");
}

export interface FakeWorker {
  item: Item;
  /** A call of the worker protocol. */
  call(route: string, body: unknown): Promise<unknown>;
  /** Cancels the item, and reports that nothing of the worker is left. */
  end(): Promise<void>;
}

/** A worker whose calls the test makes, on a new item. The queue has to be paused. */
export async function startFakeWorker(
  request: APIRequestContext,
  body: Record<string, unknown>,
): Promise<FakeWorker> {
  const item = await submit(request, body);
  const id = newId();
  const token = `e2e-${randomUUID()}`;
  const hash = createHash("sha256").update(token).digest("hex");
  sql(
    `insert into workers (id, work_item_id, lease_epoch, status, token_hash, nonce, max_iterations, runtime, instance,
                          registered_at)
     values (:'id'::uuid, :'item'::uuid, 1, 'running', decode(:'hash', 'hex'), 'e2e', 10, 'process', 'e2e', now());
     insert into worker_heartbeats (worker_id, lease_expires_at) values (:'id'::uuid, now() + interval '1 hour');
     update work_items set status = 'in_progress', lease_epoch = 1, worker_id = :'id'::uuid, started_at = now()
     where id = :'item'::uuid;`,
    { id, item: item.id, hash },
  );
  return {
    item,
    call: async (route, content) => {
      const response = await fetch(new URL(`/api/worker/${id}/${route}`, workerApiUrl), {
        method: "POST",
        headers: {
          "Content-Type": "application/json",
          Authorization: `Bearer ${token}`,
          "X-Whim-Protocol": "1",
        },
        body: JSON.stringify(content),
      });
      const text = await response.text();
      expect(response.ok, `${route}: ${text}`).toBe(true);
      return text === "" ? undefined : JSON.parse(text);
    },
    end: async () => {
      await cancel(request, item.id);
      sql("update workers set stopped_at = now() where id = :'id'::uuid and stopped_at is null", {
        id,
      });
    },
  };
}

export interface Entry {
  type: string;
  [field: string]: unknown;
}

const SEGMENT_ENTRIES = 500;

/** Uploads entries, numbered from 1, in segments. */
export async function uploadTranscript(
  worker: FakeWorker,
  count: number,
  entry: (number: number) => Entry,
): Promise<void> {
  for (let first = 1; first <= count; first += SEGMENT_ENTRIES) {
    const length = Math.min(SEGMENT_ENTRIES, count - first + 1);
    const entries = Array.from({ length }, (_, index) => ({
      number: first + index,
      occurredAt: new Date().toISOString(),
      iteration: 1,
      ...entry(first + index),
    }));
    await worker.call("transcript", { entries, more: first + length <= count });
  }
}
