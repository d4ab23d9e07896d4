import { Skeleton } from "@mantine/core";
import { lazy, Suspense, useMemo } from "react";
import { useNewestItems } from "@/api/queries";
import type { WorkItem } from "@/api/types";
import { Panel } from "@/components/Panel";
import { Loaded } from "@/components/States";
import { useNow } from "@/lib/clock";
import { plural } from "@/lib/format";
import { endedByHour } from "@/lib/hourly";

const HoursChart = lazy(() => import("./HoursChart"));

const HEIGHT = 120;

export function RecentPanel() {
  const items = useNewestItems();
  return (
    <Panel
      title="Last 24 hours"
      note={items.data?.nextCursor ? "of the 200 newest items" : undefined}
    >
      <Loaded query={items} what="The latest items" skeleton={<Skeleton height={HEIGHT + 28} />}>
        {(page) => <Hours items={page.items} />}
      </Loaded>
    </Panel>
  );
}

function Hours({ items }: { items: WorkItem[] }) {
  const now = useNow("coarse");
  const hour = Math.floor(now / 3_600_000);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the result changes with the hour, not with each tick.
  const hours = useMemo(() => endedByHour(items, now), [items, hour]);
  const sum = (key: "completed" | "failed") =>
    hours.reduce((total, count) => total + count[key], 0);
  const summary = `${plural(sum("completed"), "item")} completed, ${sum("failed")} failed`;
  return (
    <figure>
      <figcaption>{summary}</figcaption>
      <Suspense fallback={<Skeleton height={HEIGHT} mt={4} />}>
        <HoursChart hours={hours} height={HEIGHT} />
      </Suspense>
    </figure>
  );
}
