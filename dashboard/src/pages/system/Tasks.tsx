import { useTasks } from "@/api/queries";
import type { BackgroundTask } from "@/api/types";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { Panel } from "@/components/Panel";
import { Loaded, SkeletonRows } from "@/components/States";
import { RelativeTime } from "@/components/Time";
import { plural } from "@/lib/format";
import { summarizeReport } from "@/lib/report";
import { formatShortDuration } from "@/lib/time";
import classes from "./Settings.module.css";

const COLUMNS: DataColumn<BackgroundTask>[] = [
  {
    id: "name",
    header: "Task",
    sortBy: ({ name }) => name,
    cell: ({ name }) => <code>{name}</code>,
  },
  { id: "report", header: "Last report", wide: true, cell: (task) => <Report task={task} /> },
  {
    id: "ran",
    header: "Ran",
    numeric: true,
    sortBy: ({ lastRun }) => (lastRun ? Date.parse(lastRun.startedAt) : 0),
    cell: ({ lastRun }) => (lastRun ? <RelativeTime at={lastRun.startedAt} /> : "Not yet"),
  },
  {
    id: "took",
    header: "Took",
    numeric: true,
    secondary: true,
    sortBy: ({ lastRun }) => lastRun?.durationSeconds ?? 0,
    cell: ({ lastRun }) => (lastRun ? formatShortDuration(lastRun.durationSeconds) : ""),
  },
  {
    id: "period",
    header: "Every",
    numeric: true,
    secondary: true,
    sortBy: ({ periodSeconds }) => periodSeconds,
    cell: ({ periodSeconds }) => formatShortDuration(periodSeconds),
  },
];

function Report({ task }: { task: BackgroundTask }) {
  const run = task.lastRun;
  if (!run) return <span className={classes.muted}>Running for the first time</span>;
  if (run.error != null) {
    return (
      <span className={classes.failed}>
        Failed {plural(task.failuresInARow, "time")} in a row: {run.error}
      </span>
    );
  }
  const did = summarizeReport(run.report);
  return did === "" ? <span className={classes.muted}>Nothing to do</span> : <span>{did}</span>;
}

/** What the orchestrator does by itself, and whether it succeeds. */
export function Tasks() {
  const tasks = useTasks();
  const failing = tasks.data?.tasks.filter(({ failuresInARow }) => failuresInARow > 0).length ?? 0;
  return (
    <Panel title="Background tasks" note={failing > 0 ? `${failing} failing` : undefined} flush>
      <Loaded query={tasks} what="The background tasks" skeleton={<SkeletonRows rows={6} />}>
        {(data) => (
          <DataTable
            label="Background tasks"
            columns={COLUMNS}
            rows={data.tasks}
            rowId={({ name }) => name}
          />
        )}
      </Loaded>
    </Panel>
  );
}
