import { Link } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Worker, WorkItem } from "@/api/types";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { ItemLink } from "@/components/ItemLink";
import { WorkerStatusBadge } from "@/components/StatusBadge";
import { Elapsed, RelativeTime } from "@/components/Time";
import { formatUsd } from "@/lib/format";
import { FAILURE_CAUSE, WORKER_STATUS } from "@/lib/statuses";
import { secondsBetween } from "@/lib/time";
import { shortId } from "@/lib/title";
import classes from "./EndedWorkers.module.css";

interface EndedWorkersProps {
  workers: Worker[];
  items: ReadonlyMap<string, WorkItem>;
}

export function EndedWorkers({ workers, items }: EndedWorkersProps) {
  const columns = useMemo(() => columnsFor(items), [items]);
  return (
    <DataTable
      label="Ended workers"
      columns={columns}
      rows={workers}
      rowId={(worker) => worker.id}
    />
  );
}

function columnsFor(items: ReadonlyMap<string, WorkItem>): DataColumn<Worker>[] {
  return [
    {
      id: "status",
      header: "Result",
      sortBy: (worker) => WORKER_STATUS[worker.status].label,
      cell: (worker) => <WorkerStatusBadge status={worker.status} />,
    },
    {
      id: "item",
      header: "Item",
      wide: true,
      cell: (worker) => <ItemCell worker={worker} item={items.get(worker.workItemId)} />,
    },
    {
      id: "iteration",
      header: "Iterations",
      numeric: true,
      secondary: true,
      sortBy: (worker) => worker.iteration,
      cell: (worker) => worker.iteration,
    },
    {
      id: "duration",
      header: "Duration",
      numeric: true,
      secondary: true,
      sortBy: (worker) => secondsBetween(worker.startedAt, worker.endedAt ?? worker.startedAt),
      cell: (worker) => (
        <Elapsed since={worker.startedAt} until={worker.endedAt ?? worker.startedAt} />
      ),
    },
    {
      id: "cost",
      header: "Cost",
      numeric: true,
      secondary: true,
      sortBy: (worker) => worker.stats.costUsd,
      cell: (worker) => formatUsd(worker.stats.costUsd),
    },
    {
      id: "ended",
      header: "Ended",
      numeric: true,
      sortBy: (worker) => Date.parse(worker.endedAt ?? worker.startedAt),
      cell: (worker) => worker.endedAt && <RelativeTime at={worker.endedAt} />,
    },
  ];
}

function ItemCell({ worker, item }: { worker: Worker; item: WorkItem | undefined }) {
  const reason =
    worker.error ?? (worker.failureCause ? FAILURE_CAUSE[worker.failureCause] : undefined);
  return (
    <>
      {item ? (
        <ItemLink item={item} />
      ) : (
        <Link to="/work/$id" params={{ id: worker.workItemId }} data-row>
          Item …{shortId(worker.workItemId)}
        </Link>
      )}
      <p className={classes.repo}>{worker.repo}</p>
      {reason && <p className={classes.reason}>{reason}</p>}
    </>
  );
}
