import { describe, expect, it, vi } from "vitest";
import type { WorkerEventRecord } from "@/api/types";
import { ActivityStore, activityOf } from "./activity";

const base = { occurredAt: "2026-11-28T12:00:00Z", workItemId: "i", workerId: "w" };

function ralph(event: Record<string, unknown>): WorkerEventRecord {
  return { ...base, type: "ralph", event };
}

describe("activityOf", () => {
  it.each([
    [ralph({ event: "tool", type: "write", path: "src/a.ts" }), "write", "Editing src/a.ts"],
    [ralph({ event: "tool", type: "bash" }), "command", "Running a command"],
    [ralph({ event: "tool", type: "new" }), "note", "Using a tool"],
    [ralph({ event: "task_complete", index: 0, text: "Log in" }), "task", "Done: Log in"],
    [
      { ...base, type: "tests_running", command: "npm test", elapsedSeconds: 3 },
      "tests",
      "npm test",
    ],
  ] as [WorkerEventRecord, string, string][])("reads %o", (record, kind, text) => {
    expect(activityOf(record)).toEqual({ kind, text, occurredAt: base.occurredAt });
  });

  it("shows nothing for events without content, and survives fields of another type", () => {
    expect(activityOf(ralph({ event: "iteration", n: 1 }))).toBeUndefined();
    expect(activityOf(ralph({ event: "commit", message: { html: "<b>" } }))?.text).toBe(
      "Committed: ",
    );
  });
});

describe("ActivityStore", () => {
  it("notifies the subscribers of the worker only", () => {
    const store = new ActivityStore();
    const [mine, other] = [vi.fn(), vi.fn()];
    const unsubscribe = store.subscribe("w", mine);
    store.subscribe("other", other);
    store.record(ralph({ event: "tool", type: "read", path: "a" }));
    expect(store.get("w")?.text).toBe("Reading a");
    expect(mine).toHaveBeenCalledOnce();
    expect(other).not.toHaveBeenCalled();
    unsubscribe();
    store.forget("w");
    expect(mine).toHaveBeenCalledOnce();
    expect(store.get("w")).toBeUndefined();
  });
});
