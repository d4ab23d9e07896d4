import { Button, SegmentedControl, Skeleton } from "@mantine/core";
import { IconDownload } from "@tabler/icons-react";
import { type ReactNode, Suspense, useState } from "react";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { Panel } from "@/components/Panel";
import { toCsv } from "@/lib/csv";
import { download } from "@/lib/download";
import classes from "./ChartPanel.module.css";

export const CHART_HEIGHT = 240;

interface ChartPanelProps<T> {
  title: string;
  /** What the chart shows, in a sentence, for those who do not see it. */
  summary: string;
  fileName: string;
  columns: (DataColumn<T> & { csv: (row: T) => string | number })[];
  rows: T[];
  rowId: (row: T) => string;
  /** Above the chart and the table: what they are about. */
  controls?: ReactNode;
  /** Below the chart: what it leaves out. */
  footer?: ReactNode;
  /** The chart, in a chunk of its own. */
  children: ReactNode;
}

/** A chart, the same figures as a table, and as CSV. */
export function ChartPanel<T extends object>(props: ChartPanelProps<T>) {
  const { title, summary, fileName, columns, rows, rowId, controls, footer, children } = props;
  const [view, setView] = useState("chart");
  const save = () => {
    const header = columns.map((column) => column.header);
    const body = rows.map((row) => columns.map((column) => column.csv(row)));
    download(fileName, "text/csv", toCsv(header, body));
  };
  return (
    <Panel
      title={title}
      flush
      actions={
        <>
          <SegmentedControl
            size="xs"
            aria-label={`${title}: view`}
            data={[
              { value: "chart", label: "Chart" },
              { value: "table", label: "Table" },
            ]}
            value={view}
            onChange={setView}
          />
          <Button
            variant="default"
            size="xs"
            leftSection={<IconDownload size={14} aria-hidden />}
            onClick={save}
            aria-label={`${title}: download as CSV`}
          >
            CSV
          </Button>
        </>
      }
    >
      {controls}
      {view === "table" ? (
        <div className={classes.table}>
          <DataTable label={title} columns={columns} rows={rows} rowId={rowId} />
        </div>
      ) : (
        <>
          <figure
            className={classes.figure}
            role="img"
            aria-label={`${summary} The table has the figures.`}
          >
            <Suspense fallback={<Skeleton height={CHART_HEIGHT} />}>{children}</Suspense>
          </figure>
          {footer}
        </>
      )}
    </Panel>
  );
}
