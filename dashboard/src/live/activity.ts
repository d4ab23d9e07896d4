import type { WorkerEventRecord } from "@/api/types";

/** What a worker does at this moment, as far as its events say. */
export interface Activity {
  kind: "read" | "write" | "command" | "tests" | "commit" | "task" | "warning" | "note";
  text: string;
  occurredAt: string;
}

type Content = Omit<Activity, "occurredAt">;

/** The activity that an event shows; `undefined` if it shows none. */
export function activityOf(record: WorkerEventRecord): Activity | undefined {
  const content = contentOf(record);
  return content && { ...content, occurredAt: record.occurredAt };
}

function contentOf(record: WorkerEventRecord): Content | undefined {
  switch (record.type) {
    case "tests_running":
      return { kind: "tests", text: record.command };
    case "tests":
      return { kind: "tests", text: record.report.passed ? "Tests passed" : "Tests failed" };
    case "pushed":
      return { kind: "commit", text: `Pushed ${record.headSha.slice(0, 8)}` };
    case "pull_request":
      return { kind: "note", text: `Pull request #${record.number}` };
    case "notice":
      return { kind: "note", text: record.message };
    case "ralph":
      return ralphContent(record.event);
    default:
      return undefined;
  }
}

const TOOL_KIND: Record<string, Activity["kind"]> = {
  read: "read",
  write: "write",
  bash: "command",
};
const TOOL_TEXT: Record<string, string> = {
  read: "Reading",
  write: "Editing",
  bash: "Running a command",
};

function ralphContent(event: Record<string, unknown>): Content | undefined {
  switch (event.event) {
    case "tool":
      return toolContent(event);
    case "commit":
      return { kind: "commit", text: `Committed: ${text(event.message)}` };
    case "task_complete":
      return { kind: "task", text: `Done: ${text(event.text)}` };
    case "warning":
      return { kind: "warning", text: text(event.message) };
    default:
      return undefined;
  }
}

function toolContent(event: Record<string, unknown>): Content {
  const type = text(event.type);
  const verb = TOOL_TEXT[type] ?? "Using a tool";
  const path = text(event.path);
  return { kind: TOOL_KIND[type] ?? "note", text: path ? `${verb} ${path}` : verb };
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

/** The latest activity of each worker, for components that show only one of them. */
export class ActivityStore {
  private readonly latest = new Map<string, Activity>();
  private readonly listeners = new Map<string, Set<() => void>>();

  record(record: WorkerEventRecord): void {
    const activity = activityOf(record);
    if (!activity) return;
    this.latest.set(record.workerId, activity);
    this.notify(record.workerId);
  }

  forget(workerId: string): void {
    if (this.latest.delete(workerId)) this.notify(workerId);
  }

  get(workerId: string): Activity | undefined {
    return this.latest.get(workerId);
  }

  subscribe(workerId: string, listener: () => void): () => void {
    const listeners = this.listeners.get(workerId) ?? new Set();
    this.listeners.set(workerId, listeners.add(listener));
    return () => {
      listeners.delete(listener);
      if (listeners.size === 0) this.listeners.delete(workerId);
    };
  }

  private notify(workerId: string): void {
    for (const listener of this.listeners.get(workerId) ?? []) listener();
  }
}
