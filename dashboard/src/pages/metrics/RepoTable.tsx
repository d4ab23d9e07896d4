import { Button } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { Panel } from "@/components/Panel";
import { toCsv } from "@/lib/csv";
import { download } from "@/lib/download";
import { formatCompact, formatInteger, formatUsd } from "@/lib/format";
import type { RepoUsage } from "./attempts";

const COLUMNS: DataColumn<RepoUsage>[] = [
  {
    id: "repo",
    header: "Repository",
    wide: true,
    sortBy: ({ repo }) => repo,
    cell: ({ repo }) => repo,
  },
  numeric("attempts", "Attempts", formatInteger),
  numeric("completed", "Completed", formatInteger),
  { ...numeric("iterations", "Iterations", formatInteger), secondary: true },
  { ...numeric("tokens", "Tokens", formatCompact), secondary: true },
  numeric("costUsd", "Cost", formatUsd),
];

function numeric(
  id: Exclude<keyof RepoUsage, "repo">,
  header: string,
  format: (value: number) => string,
): DataColumn<RepoUsage> {
  return {
    id,
    header,
    numeric: true,
    sortBy: (usage) => usage[id],
    cell: (usage) => format(usage[id]),
  };
}

export function RepoTable({ usage }: { usage: RepoUsage[] }) {
  const save = () => {
    const header = ["Repository", "Attempts", "Completed", "Iterations", "Tokens", "Cost (USD)"];
    const rows = usage.map((row) => [
      row.repo,
      row.attempts,
      row.completed,
      row.iterations,
      row.tokens,
      row.costUsd,
    ]);
    download("whim-repositories.csv", "text/csv", toCsv(header, rows));
  };
  return (
    <Panel
      title="By repository"
      flush
      actions={
        <Button
          variant="default"
          size="xs"
          leftSection={<IconDownload size={14} aria-hidden />}
          onClick={save}
          aria-label="By repository: download as CSV"
        >
          CSV
        </Button>
      }
    >
      <DataTable
        label="Usage by repository"
        columns={COLUMNS}
        rows={usage}
        rowId={({ repo }) => repo}
      />
    </Panel>
  );
}
