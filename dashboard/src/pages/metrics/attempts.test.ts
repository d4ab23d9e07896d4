import { describe, expect, it } from "vitest";
import type { Worker } from "@/api/types";
import { aWorker } from "@/lib/testing";
import { bucketsOf, percentile, summaryOf, usageByRepo } from "./attempts";

const now = Date.parse("2026-11-28T12:30:00Z");

function attempt(startedAt: string, fields: Partial<Worker> = {}, costUsd = 0): Worker {
  const worker = aWorker({ startedAt, status: "completed", ...fields });
  return {
    ...worker,
    stats: { ...worker.stats, costUsd, tokens: { ...worker.stats.tokens, input: 10 } },
  };
}

describe("bucketsOf", () => {
  it("counts attempts per UTC day, without those before the range", () => {
    const buckets = bucketsOf(
      [
        attempt("2026-11-28T00:00:00Z", {}, 2),
        attempt("2026-11-27T23:59:59Z", { status: "stuck" }),
        attempt("2026-11-22T00:00:00Z"),
        attempt("2026-11-21T23:00:00Z"),
        attempt("2026-11-28T01:00:00Z", { status: "killed" }),
      ],
      { hours: 168, bucketHours: 24 },
      now,
    );
    expect(buckets).toHaveLength(7);
    expect(buckets.at(-1)).toMatchObject({ completed: 1, failed: 0, tokens: 20, costUsd: 2 });
    expect(buckets.at(-2)).toMatchObject({ completed: 0, failed: 1 });
    expect(buckets[0]).toMatchObject({ completed: 1 });
  });

  it("ends with the current hour", () => {
    const buckets = bucketsOf(
      [attempt("2026-11-28T12:00:00Z")],
      { hours: 24, bucketHours: 1 },
      now,
    );
    expect(buckets).toHaveLength(24);
    expect(buckets.at(-1)?.completed).toBe(1);
  });
});

it("sums the usage of each repository, the most expensive first", () => {
  const usage = usageByRepo([
    attempt("2026-11-28T00:00:00Z", { repo: "o/a", iteration: 2 }, 1),
    attempt("2026-11-28T00:00:00Z", { repo: "o/b", iteration: 3, status: "failed" }, 5),
    attempt("2026-11-28T00:00:00Z", { repo: "o/a", iteration: 4 }, 1),
  ]);
  expect(usage.map(({ repo }) => repo)).toEqual(["o/b", "o/a"]);
  expect(usage[1]).toEqual({
    repo: "o/a",
    attempts: 2,
    completed: 2,
    iterations: 6,
    tokens: 20,
    costUsd: 2,
  });
});

describe("summaryOf", () => {
  it("measures completed attempts only, and has no rate without an end", () => {
    const summary = summaryOf([
      attempt("2026-11-28T00:00:00Z", { endedAt: "2026-11-28T00:01:00Z" }),
      attempt("2026-11-28T00:00:00Z", { endedAt: "2026-11-28T01:00:00Z", status: "failed" }),
      attempt("2026-11-28T00:00:00Z", { status: "running" }),
    ]);
    expect(summary).toMatchObject({ attempts: 3, completed: 1, failed: 1, successRate: 0.5 });
    expect(summary.durations).toEqual({ p50: 60, p90: 60, p99: 60 });
    expect(summaryOf([]).successRate).toBeUndefined();
  });
});

it("takes percentiles by nearest rank", () => {
  const values = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
  expect([0.5, 0.9, 0.99].map((fraction) => percentile(values, fraction))).toEqual([5, 9, 10]);
  expect(percentile([], 0.5)).toBeUndefined();
});
