import type { InfiniteData, QueryClient, QueryKey } from "@tanstack/react-query";
import type { paths } from "@/api/schema";
import type { SubscriberEvent, Worker, WorkerEventRecord, WorkItem } from "@/api/types";
import { isEndedItem, isLiveWorker } from "@/lib/statuses";
import type { ActivityStore } from "./activity";
import { patchItem, patchItemFromReport, patchWorker, patchWorkerFromReport } from "./patches";
import type { Refresher } from "./refresher";

type Patch<T> = (value: T) => T;
interface Page<T> {
  items: T[];
}

/** Applies events to the query cache, and requests again what an event only announces. */
export class LiveCache {
  constructor(
    private readonly client: QueryClient,
    private readonly activity: ActivityStore,
    private readonly refresher: Refresher,
  ) {}

  apply(event: SubscriberEvent): void {
    switch (event.kind) {
      case "item":
        this.patchItems((item) => patchItem(item, event));
        this.refresher.request(itemKey(event.workItemId));
        this.refresher.request(workKey("/api/work/{id}/timeline", event.workItemId));
        this.refresher.request(workKey("/api/work/{id}/explain", event.workItemId));
        this.refresher.request("/api/work");
        this.refresher.request("/api/queue");
        this.refresher.request("/api/status");
        if (isEndedItem(event.status)) this.refresher.request("/api/metrics");
        break;
      case "worker":
        this.patchWorkers((worker) => patchWorker(worker, event));
        if (!isLiveWorker(event.status)) this.activity.forget(event.workerId);
        this.refresher.request("/api/workers");
        this.refresher.request("/api/status");
        break;
      case "worker_event":
        this.activity.record(event);
        this.patchWorkers((worker) => patchWorkerFromReport(worker, event));
        this.patchItems((item) => patchItemFromReport(item, event));
        this.refreshAfterReport(event);
        break;
      case "transcript":
        // Read where it is shown, and nowhere else.
        break;
      case "diff":
        this.refresher.request(workKey("/api/work/{id}/diff", event.workItemId));
        break;
      case "note_added":
      case "note_delivered":
        this.refresher.request(workKey("/api/work/{id}/notes", event.workItemId));
        this.refresher.request(workKey("/api/work/{id}/timeline", event.workItemId));
        break;
      case "lagged":
        this.refreshAll();
        break;
    }
  }

  private refreshAfterReport(report: WorkerEventRecord): void {
    if (report.type === "stage") {
      this.refresher.request("/api/reviews");
      this.refresher.request(workKey("/api/work/{id}/timeline", report.workItemId));
    }
    if (report.type === "ralph" && report.event.event === "iteration_done") {
      this.refresher.request("/api/workers");
      this.refresher.request("/api/metrics");
      this.refresher.request(workKey("/api/work/{id}/timeline", report.workItemId));
    }
  }

  /** After a gap in the events. */
  refreshAll(): void {
    void this.client.invalidateQueries({ refetchType: "active" });
  }

  private patchItems(patch: Patch<WorkItem>): void {
    this.patchLists<WorkItem>("/api/work", patch);
    this.patchLists<WorkItem>("/api/queue", patch);
    this.client.setQueriesData<WorkItem>(
      { predicate: isPath("/api/work/{id}") },
      (item) => item && patch(item),
    );
  }

  private patchWorkers(patch: Patch<Worker>): void {
    this.patchLists<Worker>("/api/workers", patch);
  }

  private patchLists<T>(path: string, patch: Patch<T>): void {
    this.client.setQueriesData<Page<T> | InfiniteData<Page<T>>>(
      { predicate: isPath(path) },
      (data) => {
        if (!data) return data;
        if (!("pages" in data)) return patchPage(data, patch);
        const pages = mapKept(data.pages, (page) => patchPage(page, patch));
        return pages === data.pages ? data : { ...data, pages };
      },
    );
  }
}

function patchPage<P extends Page<T>, T>(page: P, patch: Patch<T>): P {
  const items = mapKept(page.items, patch);
  return items === page.items ? page : { ...page, items };
}

/** Like `map`, but returns the same array if nothing changed: queries then notify no component. */
function mapKept<T>(values: T[], patch: Patch<T>): T[] {
  const patched = values.map(patch);
  return patched.some((value, index) => value !== values[index]) ? patched : values;
}

function isPath(path: string): (query: { queryKey: QueryKey }) => boolean {
  return ({ queryKey }) => queryKey[0] === "get" && queryKey[1] === path;
}

export function itemKey(id: string): QueryKey {
  return workKey("/api/work/{id}", id);
}

type WorkPath = Extract<keyof paths, `/api/work/{id}${string}`>;

/** Matches every query of this path for the item, whatever its other parameters are. */
export function workKey(path: WorkPath, id: string): QueryKey {
  return ["get", path, { params: { path: { id } } }];
}
