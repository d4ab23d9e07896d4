import { QueryClient } from "@tanstack/react-query";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { SubscriberEvent, WorkItem, WorkPage } from "@/api/types";
import { anItem, aWorker } from "@/lib/testing";
import { ActivityStore } from "./activity";
import { itemKey, LiveCache } from "./cache";
import { Refresher } from "./refresher";

const change: SubscriberEvent = {
  kind: "item",
  occurredAt: "2026-11-28T12:05:00Z",
  workItemId: "a",
  repo: "owner/repo",
  branch: "whim/1-task-ab12",
  status: "completed",
  priority: "medium",
  run: 1,
  retries: 0,
  tasksDone: 2,
  tasksTotal: 2,
};

function world() {
  const client = new QueryClient();
  const activity = new ActivityStore();
  const live = new LiveCache(client, activity, new Refresher(client));
  const invalidate = vi.spyOn(client, "invalidateQueries").mockResolvedValue();
  return { client, activity, live, invalidate };
}

describe("LiveCache", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("patches the item in pages, in infinite lists and by itself", () => {
    const { client, live } = world();
    const page: WorkPage = { items: [anItem({ id: "a" }), anItem({ id: "b" })] };
    const list = ["get", "/api/work", { params: { query: { limit: 50 } } }];
    const infinite = ["get", "/api/work", { params: { query: { status: "queued" } } }];
    client.setQueryData(list, page);
    client.setQueryData(infinite, { pages: [page], pageParams: [undefined] });
    client.setQueryData(itemKey("a"), anItem({ id: "a" }));

    live.apply(change);

    expect(client.getQueryData<WorkPage>(list)?.items.map((item) => item.status)).toEqual([
      "completed",
      "queued",
    ]);
    expect(client.getQueryData(infinite)).toMatchObject({
      pages: [{ items: [{ tasksDone: 2 }, {}] }],
    });
    expect(client.getQueryData<WorkItem>(itemKey("a"))?.status).toBe("completed");
  });

  it("keeps lists without the item as they are", () => {
    const { client, live } = world();
    const list = ["get", "/api/work"];
    const page: WorkPage = { items: [anItem({ id: "b" })] };
    client.setQueryData(list, page);
    live.apply(change);
    expect(client.getQueryData(list)).toBe(page);
  });

  it("requests each query once per burst", async () => {
    const { live, invalidate } = world();
    for (let n = 0; n < 20; n += 1) live.apply(change);
    expect(invalidate).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(500);
    const keys = invalidate.mock.calls.map(([filters]) => filters?.queryKey?.[1]);
    expect(keys).toEqual([
      "/api/work/{id}",
      "/api/work/{id}/timeline",
      "/api/work/{id}/explain",
      "/api/work",
      "/api/queue",
      "/api/status",
      "/api/metrics",
    ]);
  });

  it("requests nothing for a tool call, and shows it as activity", async () => {
    const { activity, live, invalidate } = world();
    live.apply({
      kind: "worker_event",
      type: "ralph",
      occurredAt: "2026-11-28T12:05:00Z",
      workItemId: "a",
      workerId: "w",
      event: { event: "tool", type: "read", path: "README.md" },
    });
    await vi.advanceTimersByTimeAsync(5000);
    expect(invalidate).not.toHaveBeenCalled();
    expect(activity.get("w")?.text).toBe("Reading README.md");
  });

  it("forgets the activity of a worker that ended", () => {
    const { client, activity, live } = world();
    client.setQueryData(["get", "/api/workers"], { items: [aWorker({ id: "w" })] });
    activity.record({
      type: "notice",
      message: "hello",
      occurredAt: "2026-11-28T12:05:00Z",
      workItemId: "a",
      workerId: "w",
    });
    live.apply({
      kind: "worker",
      occurredAt: "2026-11-28T12:06:00Z",
      workerId: "w",
      workItemId: "a",
      leaseEpoch: 1,
      status: "completed",
    });
    expect(activity.get("w")).toBeUndefined();
    expect(client.getQueryData(["get", "/api/workers"])).toMatchObject({
      items: [{ status: "completed" }],
    });
  });

  it("requests the notes of an item again when one was added, or given to an agent", async () => {
    const note = { occurredAt: "2026-11-28T12:05:00Z", workItemId: "a", run: 1, noteId: "n" };
    const key = ["get", "/api/work/{id}/notes", { params: { path: { id: "a" } } }];
    const { live, invalidate } = world();
    live.apply({ kind: "note_added", ...note });
    await vi.advanceTimersByTimeAsync(500);
    expect(invalidate).toHaveBeenCalledWith({ queryKey: key, refetchType: "active" });
    invalidate.mockClear();
    live.apply({ kind: "note_delivered", ...note, workerId: "w", leaseEpoch: 1 });
    await vi.advanceTimersByTimeAsync(500);
    expect(invalidate).toHaveBeenCalledWith({ queryKey: key, refetchType: "active" });
  });

  it("refreshes everything when events are missing", () => {
    const { live, invalidate } = world();
    live.apply({ kind: "lagged" });
    expect(invalidate).toHaveBeenCalledWith({ refetchType: "active" });
  });
});
