import { lazy } from "react";
import { useDailyUsage } from "@/api/queries";
import type { DailyDurations } from "@/api/types";
import { CHART_HEIGHT, ChartPanel } from "@/components/charts/ChartPanel";
import { Loaded } from "@/components/States";
import { formatDuration, formatUtcDay } from "@/lib/time";
import { durationPoints } from "./durations";

const DurationLines = lazy(() => import("./DurationLines"));

type Kind = "attempts" | "queueWait";
type Statistic = "medianSeconds" | "p95Seconds";

function column(id: string, header: string, kind: Kind, statistic: Statistic) {
  const value = (row: DailyDurations) => row[kind][statistic];
  return {
    id,
    header,
    numeric: true,
    sortBy: (row: DailyDurations) => value(row) ?? -1,
    cell: (row: DailyDurations) => format(value(row)),
    csv: (row: DailyDurations) => value(row) ?? "",
  };
}

function format(seconds: number | null | undefined): string {
  return seconds == null ? "–" : formatDuration(seconds);
}

const COLUMNS = [
  {
    id: "day",
    header: "Day",
    sortBy: ({ day }: DailyDurations) => day,
    cell: ({ day }: DailyDurations) => formatUtcDay(day),
    csv: ({ day }: DailyDurations) => day,
  },
  column("attempt", "Attempt, median", "attempts", "medianSeconds"),
  column("attempt95", "Attempt, p95", "attempts", "p95Seconds"),
  column("wait", "Queue wait, median", "queueWait", "medianSeconds"),
  column("wait95", "Queue wait, p95", "queueWait", "p95Seconds"),
];

/** How long attempts took and items waited, by day. Shows nothing for a range without attempts. */
export function DurationChart({ days }: { days: number }) {
  const usage = useDailyUsage(days);
  return (
    <Loaded query={usage} what="The durations" skeleton={null}>
      {({ durations }) => durations.length > 0 && <Durations durations={durations} />}
    </Loaded>
  );
}

function Durations({ durations }: { durations: DailyDurations[] }) {
  const [latest] = durations;
  return (
    <ChartPanel
      title="Durations by day"
      summary={`On the latest day the median attempt took ${format(latest?.attempts.medianSeconds)}, after a median wait of ${format(latest?.queueWait.medianSeconds)}.`}
      fileName="whim-durations.csv"
      columns={COLUMNS}
      rows={durations}
      rowId={({ day }) => day}
    >
      <DurationLines height={CHART_HEIGHT} data={durationPoints(durations)} />
    </ChartPanel>
  );
}
