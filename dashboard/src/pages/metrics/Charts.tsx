import { lazy } from "react";
import { CHART_HEIGHT, ChartPanel } from "@/components/charts/ChartPanel";
import { formatCompact, formatInteger, formatUsd, plural } from "@/lib/format";
import type { Bucket, Range } from "./attempts";

const OutcomeBars = lazy(() => import("./OutcomeBars"));
const CostBars = lazy(() => import("./CostBars"));

interface ChartProps {
  buckets: Bucket[];
  range: Range;
}

const hour = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", timeZone: "UTC" });

/** Hours in local time, days in UTC. */
function labelOf(bucket: Bucket, range: Range): string {
  return (range.bucketHours < 24 ? hour : day).format(bucket.start);
}

function timeColumn(range: Range) {
  return {
    id: "start",
    header: range.bucketHours < 24 ? "Hour" : "Day",
    sortBy: (bucket: Bucket) => bucket.start,
    cell: (bucket: Bucket) => labelOf(bucket, range),
    csv: (bucket: Bucket) => new Date(bucket.start).toISOString(),
  };
}

function numberColumn(
  id: "completed" | "failed" | "tokens" | "costUsd",
  header: string,
  format: (value: number) => string,
) {
  return {
    id,
    header,
    numeric: true,
    sortBy: (bucket: Bucket) => bucket[id],
    cell: (bucket: Bucket) => format(bucket[id]),
    csv: (bucket: Bucket) => bucket[id],
  };
}

export function OutcomeChart({ buckets, range }: ChartProps) {
  const sum = (key: "completed" | "failed") =>
    buckets.reduce((total, bucket) => total + bucket[key], 0);
  return (
    <ChartPanel
      title="Outcome of attempts"
      summary={`${plural(sum("completed"), "attempt")} completed, ${sum("failed")} failed.`}
      fileName="whim-outcomes.csv"
      columns={[
        timeColumn(range),
        numberColumn("completed", "Completed", formatInteger),
        numberColumn("failed", "Failed", formatInteger),
      ]}
      rows={buckets}
      rowId={(bucket) => String(bucket.start)}
    >
      <OutcomeBars
        height={CHART_HEIGHT}
        data={buckets.map((bucket) => ({ ...bucket, label: labelOf(bucket, range) }))}
      />
    </ChartPanel>
  );
}

export function CostChart({ buckets, range }: ChartProps) {
  const cost = buckets.reduce((total, bucket) => total + bucket.costUsd, 0);
  return (
    <ChartPanel
      title="Cost and tokens"
      summary={`${formatUsd(cost)} in all.`}
      fileName="whim-cost.csv"
      columns={[
        timeColumn(range),
        numberColumn("costUsd", "Cost (USD)", formatUsd),
        numberColumn("tokens", "Tokens", formatCompact),
      ]}
      rows={buckets}
      rowId={(bucket) => String(bucket.start)}
    >
      <CostBars
        height={CHART_HEIGHT}
        data={buckets.map((bucket) => ({ ...bucket, label: labelOf(bucket, range) }))}
      />
    </ChartPanel>
  );
}
