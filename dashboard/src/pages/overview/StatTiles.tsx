import { $api } from "@/api/client";
import { useStatus, useTodayMetrics } from "@/api/queries";
import type { Status } from "@/api/types";
import { Meter } from "@/components/Meter";
import { Tile, Tiles } from "@/components/Tiles";
import { Countdown, Elapsed } from "@/components/Time";
import { formatCompact, formatInteger, formatPercent, formatUsd, totalTokens } from "@/lib/format";
import { formatDuration } from "@/lib/time";
import classes from "./StatTiles.module.css";

export function StatTiles() {
  const { data: status } = useStatus();
  return (
    <Tiles>
      <WorkersTile status={status} />
      <QueueTile status={status} />
      <BudgetTile status={status} />
      <CostTile />
      <SuccessTile />
    </Tiles>
  );
}

function WorkersTile({ status }: { status: Status | undefined }) {
  return (
    <Tile label="Workers" value={status && `${status.workers.active} / ${status.workers.max}`}>
      {status && (
        <Meter
          label="Worker slots"
          max={status.workers.max}
          parts={[{ value: status.workers.active, color: "var(--running)", label: "in use" }]}
        />
      )}
    </Tile>
  );
}

function QueueTile({ status }: { status: Status | undefined }) {
  const { data: queue } = $api.useQuery("get", "/api/queue", { params: { query: { limit: 200 } } });
  const waiting = status && (status.items.queued ?? 0) + (status.items.generating ?? 0);
  const oldest = queue?.items.map((item) => item.createdAt).sort()[0];
  return (
    <Tile label="Waiting" value={waiting === undefined ? undefined : formatInteger(waiting)}>
      {oldest && !queue?.nextCursor ? (
        <>
          oldest <Elapsed since={oldest} />
        </>
      ) : (
        waiting === 0 && "queue empty"
      )}
    </Tile>
  );
}

function BudgetTile({ status }: { status: Status | undefined }) {
  const budget = status?.budget;
  return (
    <Tile
      label="Iterations today"
      value={budget && `${formatInteger(budget.used)} / ${formatInteger(budget.limit)}`}
    >
      {budget && (
        <>
          <Meter
            label="Iterations"
            max={budget.limit}
            parts={[
              { value: budget.used, color: "var(--accent)", label: "used" },
              {
                value: budget.reserved,
                color: "var(--line-strong)",
                label: "reserved for running workers",
              },
            ]}
          />
          <span className={classes.below}>
            resets in <Countdown to={budget.resetsAt} />
          </span>
        </>
      )}
    </Tile>
  );
}

function CostTile() {
  const { data: metrics } = useTodayMetrics();
  return (
    <Tile label="Cost today" value={metrics && formatUsd(metrics.costUsd)}>
      {metrics && `${formatCompact(totalTokens(metrics.tokens))} tokens`}
    </Tile>
  );
}

function SuccessTile() {
  const { data: metrics } = useTodayMetrics();
  const rate = metrics?.successRate;
  const median = metrics?.durations.medianSeconds;
  return (
    <Tile label="Succeeded today" value={metrics && (rate == null ? "–" : formatPercent(rate))}>
      {metrics && (
        <>
          {metrics.completed} done, {metrics.failed} failed
          {median != null && `, median ${formatDuration(median)}`}
        </>
      )}
    </Tile>
  );
}
