import { describe, expect, it } from "vitest";
import type { ItemChanged, WorkerEventRecord } from "@/api/types";
import { anItem, aWorker } from "@/lib/testing";
import { patchItem, patchItemFromReport, patchWorker, patchWorkerFromReport } from "./patches";

const item = anItem({ id: "i", workerId: "w", status: "in_progress", stage: "working" });
const change: ItemChanged = {
  occurredAt: "2026-11-28T12:05:00Z",
  workItemId: "i",
  repo: item.repo,
  branch: item.branch,
  status: "completed",
  priority: "high",
  run: 1,
  retries: 0,
  tasksDone: 3,
  tasksTotal: 3,
  prUrl: "https://github.com/o/r/pull/1",
  workerId: "w",
};

function report(body: Partial<WorkerEventRecord> & { type: string }): WorkerEventRecord {
  const record = { occurredAt: "2026-11-28T12:01:00Z", workItemId: "i", workerId: "w", ...body };
  return record as WorkerEventRecord;
}

describe("patchItem", () => {
  it("takes over the state, the ticks and the pull request", () => {
    expect(patchItem(item, change)).toMatchObject({
      status: "completed",
      priority: "high",
      tasksDone: 3,
      prUrl: "https://github.com/o/r/pull/1",
      stage: null,
      endedAt: change.occurredAt,
    });
  });

  it("ignores changes of other items and those that a newer response includes", () => {
    expect(patchItem(item, { ...change, workItemId: "other" })).toBe(item);
    const newer = { ...item, updatedAt: "2026-11-28T12:06:00Z" };
    expect(patchItem(newer, change)).toBe(newer);
  });

  it("clears the end of an item that runs again", () => {
    const ended = { ...item, endedAt: "2026-11-28T12:04:00Z" };
    expect(patchItem(ended, { ...change, status: "queued" }).endedAt).toBeNull();
  });
});

describe("patchWorker", () => {
  const worker = aWorker({
    id: "w",
    status: "running",
    stage: "testing",
    leaseExpiresAt: "2026-11-28T12:10:00Z",
  });

  it("ends the lease and the stage with the worker", () => {
    const ended = patchWorker(worker, {
      occurredAt: "2026-11-28T12:05:00Z",
      workerId: "w",
      workItemId: "i",
      leaseEpoch: 1,
      status: "stuck",
      failureCause: "stuck",
    });
    expect(ended).toMatchObject({
      status: "stuck",
      failureCause: "stuck",
      stage: null,
      leaseExpiresAt: null,
      endedAt: "2026-11-28T12:05:00Z",
    });
  });

  it("follows stage and iteration, and counts any report as a sign of life", () => {
    const staged = patchWorkerFromReport(worker, report({ type: "stage", stage: "delivering" }));
    expect(staged).toMatchObject({ stage: "delivering", lastHeartbeatAt: "2026-11-28T12:01:00Z" });
    const iterated = report({
      type: "ralph",
      event: { event: "iteration", n: 4, phase: "starting" },
    });
    expect(patchWorkerFromReport(worker, iterated).iteration).toBe(4);
    expect(patchItemFromReport(item, iterated).iteration).toBe(4);
  });

  it("ignores late reports of a worker that has ended, and replayed ones for its age", () => {
    const ended = { ...worker, status: "completed" as const };
    expect(patchWorkerFromReport(ended, report({ type: "stage", stage: "working" }))).toBe(ended);
    const fresh = { ...worker, lastHeartbeatAt: "2026-11-28T12:30:00Z" };
    const patched = patchWorkerFromReport(fresh, report({ type: "notice", message: "x" }));
    expect(patched.lastHeartbeatAt).toBe("2026-11-28T12:30:00Z");
  });

  it("ignores reports of an earlier worker of the item", () => {
    const other = report({ type: "stage", stage: "testing", workerId: "earlier" });
    expect(patchItemFromReport(item, other)).toBe(item);
  });
});
