import type { ItemChanged, Worker, WorkerChanged, WorkerEventRecord, WorkItem } from "@/api/types";
import { isEndedItem, isLiveWorker } from "@/lib/statuses";

/** The item after the change, or the same object if it is already newer. */
export function patchItem<T extends WorkItem>(item: T, change: ItemChanged): T {
  if (item.id !== change.workItemId || isOlder(change.occurredAt, item.updatedAt)) return item;
  const ended = isEndedItem(change.status);
  return {
    ...item,
    status: change.status,
    priority: change.priority,
    branch: change.branch,
    run: change.run,
    retries: change.retries,
    nextRetryAt: change.nextRetryAt ?? null,
    failureCause: change.failureCause ?? null,
    tasksTotal: change.tasksTotal,
    tasksDone: change.tasksDone,
    prUrl: change.prUrl ?? null,
    workerId: change.workerId ?? null,
    stage: change.status === "in_progress" ? item.stage : null,
    endedAt: ended ? (item.endedAt ?? change.occurredAt) : null,
  };
}

export function patchWorker(worker: Worker, change: WorkerChanged): Worker {
  if (worker.id !== change.workerId) return worker;
  const live = isLiveWorker(change.status);
  return {
    ...worker,
    status: change.status,
    failureCause: change.failureCause ?? null,
    stage: live ? worker.stage : null,
    leaseExpiresAt: live ? worker.leaseExpiresAt : null,
    endedAt: live ? null : (worker.endedAt ?? change.occurredAt),
  };
}

/** What a report of a running worker says about it: its stage, its iteration, and that it is alive. */
export function patchWorkerFromReport(worker: Worker, report: WorkerEventRecord): Worker {
  if (worker.id !== report.workerId || !isLiveWorker(worker.status)) return worker;
  const heard = worker.lastHeartbeatAt;
  return {
    ...worker,
    stage: report.type === "stage" ? report.stage : worker.stage,
    iteration: startedIteration(report) ?? worker.iteration,
    lastHeartbeatAt: heard && isOlder(report.occurredAt, heard) ? heard : report.occurredAt,
  };
}

export function patchItemFromReport<T extends WorkItem>(item: T, report: WorkerEventRecord): T {
  if (item.id !== report.workItemId || item.workerId !== report.workerId) return item;
  if (report.type === "stage") return { ...item, stage: report.stage };
  const iteration = startedIteration(report);
  return iteration === undefined ? item : { ...item, iteration };
}

function startedIteration(report: WorkerEventRecord): number | undefined {
  if (report.type !== "ralph") return undefined;
  const { event, n } = report.event;
  return event === "iteration" && typeof n === "number" ? n : undefined;
}

function isOlder(a: string, b: string): boolean {
  return Date.parse(a) < Date.parse(b);
}
