import type { TimelineAttempt } from "@/api/types";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { formatCompact, formatUsd, totalTokens } from "@/lib/format";
import { formatShortDuration } from "@/lib/time";
import classes from "./AttemptsTab.module.css";

type Iteration = TimelineAttempt["iterations"][number];

const NONE = "–";

const COLUMNS: DataColumn<Iteration>[] = [
  {
    id: "number",
    header: "Iteration",
    sortBy: ({ number }) => number,
    cell: ({ number }) => number,
    wide: true,
  },
  {
    id: "duration",
    header: "Duration",
    numeric: true,
    sortBy: ({ durationMs }) => durationMs ?? 0,
    cell: ({ durationMs }) => (durationMs == null ? NONE : formatShortDuration(durationMs / 1000)),
  },
  {
    id: "tools",
    header: "Tool calls",
    numeric: true,
    secondary: true,
    sortBy: ({ stats }) => stats?.tools ?? 0,
    cell: ({ stats }) => stats?.tools ?? NONE,
  },
  {
    id: "tokens",
    header: "Tokens",
    numeric: true,
    sortBy: ({ stats }) => (stats ? totalTokens(stats.tokens) : 0),
    cell: ({ stats }) => (stats ? formatCompact(totalTokens(stats.tokens)) : NONE),
  },
  {
    id: "cost",
    header: "Cost",
    numeric: true,
    sortBy: ({ stats }) => stats?.costUsd ?? 0,
    cell: ({ stats }) => (stats ? formatUsd(stats.costUsd) : NONE),
  },
];

export function Iterations({ iterations }: { iterations: Iteration[] }) {
  return (
    <div className={classes.table}>
      <DataTable
        label="Iterations"
        columns={COLUMNS}
        rows={iterations}
        rowId={({ number }) => String(number)}
      />
    </div>
  );
}
