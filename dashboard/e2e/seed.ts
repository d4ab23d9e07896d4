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
