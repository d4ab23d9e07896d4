import { Button } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { useDailyUsage } from "@/api/queries";
import type { DailyUsage } from "@/api/types";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { Panel } from "@/components/Panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { toCsv } from "@/lib/csv";
import { download } from "@/lib/download";
import { formatCompact, formatInteger, formatUsd, totalTokens } from "@/lib/format";
import { formatUtcDay } from "@/lib/time";
import classes from "./MetricsPage.module.css";

const tokensOf = ({ tokens }: DailyUsage) => totalTokens(tokens);

const COLUMNS: DataColumn<DailyUsage>[] = [
  { id: "day", header: "Day", sortBy: ({ day }) => day, cell: ({ day }) => formatUtcDay(day) },
  {
    id: "repo",
    header: "Repository",
    wide: true,
    sortBy: ({ repo }) => repo,
    cell: ({ repo }) => repo,
  },
  { ...numeric("submitted", "Submitted"), secondary: true },
  numeric("completed", "Completed"),
  numeric("failed", "Failed"),
  { ...numeric("cancelled", "Cancelled"), secondary: true },
  { ...numeric("iterations", "Iterations"), secondary: true },
  {
    id: "tokens",
    header: "Tokens",
    numeric: true,
    secondary: true,
    sortBy: tokensOf,
    cell: (usage) => formatCompact(tokensOf(usage)),
  },
  {
    id: "costUsd",
    header: "Cost",
    numeric: true,
    sortBy: ({ costUsd }) => costUsd,
    cell: ({ costUsd }) => formatUsd(costUsd),
  },
];

function numeric(
  id: "submitted" | "completed" | "failed" | "cancelled" | "iterations",
  header: string,
): DataColumn<DailyUsage> {
  return {
    id,
    header,
    numeric: true,
    sortBy: (usage) => usage[id],
    cell: (usage) => formatInteger(usage[id]),
  };
}

const CSV_HEADER = [
  "Day (UTC)",
  "Repository",
  "Submitted",
  "Completed",
  "Failed",
  "Cancelled",
  "Iterations",
  "Input tokens",
  "Output tokens",
  "Cache read tokens",
  "Cache write tokens",
  "Cost (USD)",
];

function csvOf(usage: DailyUsage[]): string {
  const rows = usage.map((row) => [
    row.day,
    row.repo,
    row.submitted,
    row.completed,
    row.failed,
    row.cancelled,
    row.iterations,
    row.tokens.input,
    row.tokens.output,
    row.tokens.cacheRead,
    row.tokens.cacheWrite,
    row.costUsd,
  ]);
  return toCsv(CSV_HEADER, rows);
}

/** Counts of items, and usage, of every day of the range: exact however many attempts there were. */
export function DailyUsagePanel({ days }: { days: number }) {
  const usage = useDailyUsage(days);
  const items = usage.data?.items ?? [];
  return (
    <Panel
      title="By day and repository"
      flush
      actions={
        <Button
          variant="default"
          size="xs"
          leftSection={<IconDownload size={14} aria-hidden />}
          disabled={items.length === 0}
          onClick={() => download("whim-days.csv", "text/csv", csvOf(items))}
          aria-label="By day and repository: download as CSV"
        >
          CSV
        </Button>
      }
    >
      <Loaded query={usage} what="The usage" skeleton={<SkeletonRows rows={4} />}>
        {(data) =>
          data.items.length === 0 ? (
            <EmptyState title="No usage in this range" />
          ) : (
            <>
              <div className={classes.days}>
                <DataTable
                  label="Usage by day and repository"
                  columns={COLUMNS}
                  rows={data.items}
                  rowId={({ day, repo }) => `${day} ${repo}`}
                />
              </div>
              {data.truncated && (
                <p className={classes.truncated} role="status">
                  Only the newest {formatInteger(data.items.length)} rows are listed.
                </p>
              )}
            </>
          )
        }
      </Loaded>
    </Panel>
  );
}
