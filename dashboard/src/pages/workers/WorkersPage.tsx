import { useMemo } from "react";
import { useNewestItems, useNewestWorkers, useStatus } from "@/api/queries";
import type { Worker, WorkItem } from "@/api/types";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { plural } from "@/lib/format";
import { usePageTitle } from "@/lib/page-title";
import { isLiveWorker } from "@/lib/statuses";
import { EndedWorkers } from "./EndedWorkers";
import { LiveWorkerCard } from "./LiveWorkerCard";
import classes from "./WorkersPage.module.css";

/** Heartbeats without news cause no event; their age is read this often while a worker runs. */
const HEARTBEAT_REFRESH_MS = 10_000;

export function WorkersPage() {
  const { data: status } = useStatus();
  const active = status?.workers.active ?? 0;
  const workers = useNewestWorkers(active > 0 ? HEARTBEAT_REFRESH_MS : undefined);
  usePageTitle(active > 0 ? `Workers (${active})` : "Workers");
  return (
    <>
      <PageHeader
        title="Workers"
        description={
          status
            ? `${active} of ${plural(status.workers.max, "slot")} in use. One worker is one attempt at an item.`
            : " "
        }
      />
      <Loaded
        query={workers}
        what="The workers"
        skeleton={
          <Panel title="Running" flush>
            <SkeletonRows rows={3} height={96} />
          </Panel>
        }
      >
        {({ items, nextCursor }) => <Sections workers={items} more={nextCursor != null} />}
      </Loaded>
    </>
  );
}

function Sections({ workers, more }: { workers: Worker[]; more: boolean }) {
  const items = useItemsById();
  const live = workers.filter(({ status }) => isLiveWorker(status));
  const ended = workers.filter(({ status }) => !isLiveWorker(status));
  return (
    <div className={classes.sections}>
      <Panel title="Running" note={live.length} flush>
        {live.length === 0 ? (
          <EmptyState title="No worker is running">
            A worker starts as soon as an item waits and a slot is free.
          </EmptyState>
        ) : (
          <ul>
            {live.map((worker) => (
              <LiveWorkerCard key={worker.id} worker={worker} />
            ))}
          </ul>
        )}
      </Panel>
      <Panel title="Ended" note={more ? "the newest 100" : ended.length} flush>
        {ended.length === 0 ? (
          <EmptyState title="No worker has ended yet" />
        ) : (
          <EndedWorkers workers={ended} items={items} />
        )}
      </Panel>
    </div>
  );
}

function useItemsById(): ReadonlyMap<string, WorkItem> {
  const { data } = useNewestItems();
  return useMemo(() => new Map(data?.items.map((item) => [item.id, item])), [data]);
}
