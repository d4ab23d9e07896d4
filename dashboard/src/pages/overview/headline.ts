import type { Status } from "@/api/types";
import { plural } from "@/lib/format";

interface Headline {
  title: string;
  description: string;
}

/** What a person wants to know first: whether anything needs them, and what happens. */
export function headline(status: Status | undefined, attention: number): Headline {
  if (!status) return { title: "Overview", description: " " };
  return { title: titleOf(status, attention), description: descriptionOf(status) };
}

function titleOf(status: Status, attention: number): string {
  if (attention > 0) return attention === 1 ? "1 thing needs you" : `${attention} things need you`;
  if (status.workers.active > 0) return "Nothing needs you, work is under way";
  return waiting(status) > 0
    ? "Nothing needs you, work is waiting"
    : "Nothing needs you, all quiet";
}

function descriptionOf(status: Status): string {
  const { active, max } = status.workers;
  return [
    `${active} of ${plural(max, "worker slot")} in use`,
    waiting(status) === 0 ? "queue empty" : `${plural(waiting(status), "item")} waiting`,
  ].join(", ");
}

function waiting(status: Status): number {
  return (status.items.queued ?? 0) + (status.items.generating ?? 0);
}
