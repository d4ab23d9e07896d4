import type { WorkFilter, WorkItem } from "@/api/types";
import { itemTitle } from "@/lib/title";
import type { PRIORITIES, QUEUE_VIEWS } from "@/router";

export type QueueView = (typeof QUEUE_VIEWS)[number];

export interface QueueSearch {
  view?: QueueView;
  repo?: string;
  source?: string;
  priority?: (typeof PRIORITIES)[number];
  q?: string;
}

/** What the API filters by. Waiting items come from `/api/queue`, which has no filters. */
export function apiFilter({ view, repo, source, priority }: QueueSearch): WorkFilter {
  return {
    status: view === undefined || view === "all" || view === "waiting" ? undefined : view,
    repo,
    source,
    priority,
  };
}

/** Applies the filters to loaded items; each word of `q` has to occur somewhere. */
export function matches(item: WorkItem, { repo, source, priority, q }: QueueSearch): boolean {
  if (repo && item.repo !== repo) return false;
  if (source && item.source !== source) return false;
  if (priority && item.priority !== priority) return false;
  const words = (q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const number = item.metadata?.issueNumber;
  const text = [
    itemTitle(item),
    item.repo,
    item.branch,
    item.requestedBy,
    item.id,
    number ? `#${number}` : "",
  ]
    .join(" ")
    .toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Distinct values in alphabetical order, with the chosen one even if no loaded item has it. */
export function options(values: readonly string[], chosen: string | undefined): string[] {
  return [...new Set(chosen ? [...values, chosen] : values)].sort();
}
