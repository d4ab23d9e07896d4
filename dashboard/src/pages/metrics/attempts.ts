import type { Worker } from "@/api/types";
import { totalTokens } from "@/lib/format";
import { isLiveWorker } from "@/lib/statuses";
import { secondsBetween } from "@/lib/time";

export interface Bucket {
  /** Start, in milliseconds. */
  start: number;
  completed: number;
  failed: number;
  tokens: number;
  costUsd: number;
}

export interface RepoUsage {
  repo: string;
  attempts: number;
  completed: number;
  iterations: number;
  tokens: number;
  costUsd: number;
}

const HOUR_MS = 3_600_000;

export interface Range {
  hours: number;
  bucketHours: number;
}

/**
 * Attempts by the time at which they started, oldest bucket first. `killed` ones count as neither completed nor failed.
 */
export function bucketsOf(workers: readonly Worker[], range: Range, now: number): Bucket[] {
  const size = range.bucketHours * HOUR_MS;
  const count = Math.ceil(range.hours / range.bucketHours);
  const last = startOfBucket(now, range.bucketHours);
  const first = last - (count - 1) * size;
  const buckets = Array.from({ length: count }, (_, index): Bucket => {
    return { start: first + index * size, completed: 0, failed: 0, tokens: 0, costUsd: 0 };
  });
  for (const worker of workers) {
    const bucket = buckets[Math.floor((Date.parse(worker.startedAt) - first) / size)];
    if (bucket) add(bucket, worker);
  }
  return buckets;
}

/** Days start at midnight UTC, as budgets do. */
function startOfBucket(now: number, hours: number): number {
  const size = hours * HOUR_MS;
  return Math.floor(now / size) * size;
}

function add(bucket: Bucket, worker: Worker): void {
  if (worker.status === "completed") bucket.completed += 1;
  if (worker.status === "failed" || worker.status === "stuck") bucket.failed += 1;
  bucket.tokens += totalTokens(worker.stats.tokens);
  bucket.costUsd += worker.stats.costUsd;
}

/** The most expensive first. */
export function usageByRepo(workers: readonly Worker[]): RepoUsage[] {
  const usage = new Map<string, RepoUsage>();
  for (const worker of workers) {
    const entry = usage.get(worker.repo) ?? {
      repo: worker.repo,
      attempts: 0,
      completed: 0,
      iterations: 0,
      tokens: 0,
      costUsd: 0,
    };
    entry.attempts += 1;
    entry.completed += Number(worker.status === "completed");
    entry.iterations += worker.iteration;
    entry.tokens += totalTokens(worker.stats.tokens);
    entry.costUsd += worker.stats.costUsd;
    usage.set(worker.repo, entry);
  }
  return [...usage.values()].sort((a, b) => b.costUsd - a.costUsd || b.attempts - a.attempts);
}

export interface Summary {
  attempts: number;
  completed: number;
  failed: number;
  /** 0 to 1; `undefined` if nothing completed or failed. */
  successRate: number | undefined;
  tokens: number;
  costUsd: number;
  /** Seconds of the completed attempts. */
  durations: { p50: number | undefined; p90: number | undefined; p99: number | undefined };
}

export function summaryOf(workers: readonly Worker[]): Summary {
  const completed = workers.filter(({ status }) => status === "completed");
  const failed = workers.filter(({ status }) => status === "failed" || status === "stuck").length;
  const ended = completed.length + failed;
  const durations = completed
    .filter((worker) => worker.endedAt && !isLiveWorker(worker.status))
    .map((worker) => secondsBetween(worker.startedAt, worker.endedAt ?? worker.startedAt))
    .sort((a, b) => a - b);
  return {
    attempts: workers.length,
    completed: completed.length,
    failed,
    successRate: ended === 0 ? undefined : completed.length / ended,
    tokens: workers.reduce((sum, { stats }) => sum + totalTokens(stats.tokens), 0),
    costUsd: workers.reduce((sum, { stats }) => sum + stats.costUsd, 0),
    durations: {
      p50: percentile(durations, 0.5),
      p90: percentile(durations, 0.9),
      p99: percentile(durations, 0.99),
    },
  };
}

/** Nearest rank, of sorted values. */
export function percentile(sorted: readonly number[], fraction: number): number | undefined {
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)];
}
