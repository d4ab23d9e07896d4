import type { Breaker, Status, WorkItem } from "@/api/types";
import { sentence } from "./format";
import { FAILURE_CAUSE } from "./statuses";
import { itemTitle } from "./title";

/** Something that a person should know of or act on. */
export type Attention =
  /** `item` is the latest of `count` items of its repository that failed for the same cause. */
  | { kind: "failed"; id: string; item: WorkItem; count: number; title: string; text: string }
  | { kind: "breaker"; id: string; breaker: Breaker; title: string; text: string }
  | { kind: "paused"; id: string; title: string; text: string }
  | { kind: "warning"; id: string; title: string; text: string };

/** Failed items are shown for this long. */
export const FAILED_DAYS = 7;
const FAILED_MS = FAILED_DAYS * 24 * 3600 * 1000;

/** What only a person can resolve comes first. */
export function attentionOf(
  status: Status | undefined,
  failed: readonly WorkItem[],
  now: number,
): Attention[] {
  const breakers = (status?.breakers ?? []).toSorted(
    (a, b) => Number(b.operatorActionRequired) - Number(a.operatorActionRequired),
  );
  return [
    ...breakers.map(fromBreaker),
    ...(status?.paused ? [fromPause(status.paused)] : []),
    ...(status?.warnings ?? []).map(fromWarning),
    ...groups(failed.filter((item) => isRecent(item, now))).map(fromItems),
  ];
}

function isRecent(item: WorkItem, now: number): boolean {
  return item.status === "failed" && now - Date.parse(item.endedAt ?? item.updatedAt) < FAILED_MS;
}

export function breakerTitle({
  subject,
  name,
  cause,
}: Pick<Breaker, "subject" | "name" | "cause">): string {
  const problem = FAILURE_CAUSE[cause];
  if (!name) return problem;
  return subject === "repository" ? `${name}: ${problem.toLowerCase()}` : `${problem} · ${name}`;
}

function fromBreaker(breaker: Breaker): Attention {
  return {
    kind: "breaker",
    id: `breaker-${breaker.subject}-${breaker.name ?? ""}`,
    breaker,
    title: breakerTitle(breaker),
    text: breaker.explanation,
  };
}

function fromPause(paused: NonNullable<Status["paused"]>): Attention {
  const by = paused.pausedBy ? ` by ${paused.pausedBy}` : "";
  const reason = paused.reason ? `: ${paused.reason}` : "";
  return {
    kind: "paused",
    id: "paused",
    title: "The queue is paused",
    text: `Paused${by}${reason}. Running work continues; nothing new starts.`,
  };
}

function fromWarning(text: string): Attention {
  return { kind: "warning", id: `warning-${text}`, title: "Warning", text };
}

function fromItems([item, ...others]: Group): Attention {
  const cause = item.failureCause ? FAILURE_CAUSE[item.failureCause] : "Failed";
  return {
    kind: "failed",
    id: item.id,
    item,
    count: 1 + others.length,
    title: itemTitle(item),
    text: sentence(item.error ?? cause),
  };
}

type Group = [WorkItem, ...WorkItem[]];

/** Items of one repository with the same cause: one problem, however many items it stops. */
function groups(items: readonly WorkItem[]): Group[] {
  const byProblem = new Map<string, Group>();
  for (const item of items) {
    const problem = `${item.repo} ${item.failureCause ?? item.id}`;
    const group = byProblem.get(problem);
    if (group) group.push(item);
    else byProblem.set(problem, [item]);
  }
  return [...byProblem.values()];
}
