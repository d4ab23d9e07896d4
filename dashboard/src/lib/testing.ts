import type { Status, Worker, WorkItem } from "@/api/types";

/** A queued item, for tests. */
export function anItem(fields: Partial<WorkItem> = {}): WorkItem {
  return {
    id: "0193a000-0000-7000-8000-000000000001",
    repo: "owner/repo",
    branch: "whim/1-task-ab12",
    status: "queued",
    priority: "medium",
    source: "api",
    metadata: {},
    retries: 0,
    maxRetries: 3,
    leaseEpoch: 0,
    run: 1,
    iteration: 0,
    tasksTotal: 0,
    tasksDone: 0,
    createdAt: "2026-11-28T12:00:00Z",
    updatedAt: "2026-11-28T12:00:00Z",
    ...fields,
  };
}

/** A running worker, for tests. */
export function aWorker(fields: Partial<Worker> = {}): Worker {
  return {
    id: "0193a000-0000-7000-8000-00000000000a",
    workItemId: "0193a000-0000-7000-8000-000000000001",
    repo: "owner/repo",
    status: "running",
    iteration: 1,
    maxIterations: 50,
    stats: {
      tools: 0,
      reads: 0,
      writes: 0,
      commands: 0,
      costUsd: 0,
      tokens: { input: 0, output: 0, cacheRead: 0, cacheWrite: 0 },
    },
    startedAt: "2026-11-28T12:00:00Z",
    ...fields,
  };
}

/** The status of an idle system, for tests. */
export function aStatus(fields: Partial<Status> = {}): Status {
  return {
    version: "0.1.0",
    items: {},
    workers: { active: 0, max: 2 },
    budget: { limit: 200, used: 0, reserved: 0, remaining: 200, resetsAt: "2026-11-29T00:00:00Z" },
    cooldown: { seconds: 60 },
    runtime: { kind: "process", healthy: true, message: "ok" },
    blockedReasons: [],
    warnings: [],
    ...fields,
  };
}
