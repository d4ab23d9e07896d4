import type { TimelineAttempt } from "@/api/types";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { formatShortDuration } from "@/lib/time";
import classes from "./AttemptsTab.module.css";

type Check = NonNullable<NonNullable<TimelineAttempt["tests"]>["checks"]>[number];

const NONE = "–";

const OUTCOME: Record<Check["outcome"], string> = {
  passed: "Passed",
  failed: "Failed",
  failed_on_base: "Failed, on the base as well",
  could_not_run: "Could not run",
};

const BASE_OUTCOME: Record<NonNullable<Check["baseOutcome"]>, string> = {
  passed: "Passed",
  failed: "Failed",
  could_not_run: "Could not run",
};

const COLUMNS: DataColumn<Check>[] = [
  {
    id: "name",
    header: "Check",
    sortBy: ({ name }) => name,
    cell: (check) => (
      <>
        <code>{check.command}</code>
        {check.reason && <div className={classes.meta}>{check.reason}</div>}
      </>
    ),
    wide: true,
  },
  {
    id: "outcome",
    header: "Result",
    sortBy: ({ outcome }) => OUTCOME[outcome],
    cell: ({ outcome, required }) => `${OUTCOME[outcome]}${required ? "" : " (optional)"}`,
  },
  {
    id: "tests",
    header: "Tests",
    numeric: true,
    secondary: true,
    sortBy: ({ testsPassed }) => testsPassed ?? 0,
    cell: ({ testsPassed, testsFailed }) =>
      testsPassed == null ? NONE : `${testsPassed} passed, ${testsFailed ?? 0} failed`,
  },
  {
    id: "duration",
    header: "Duration",
    numeric: true,
    sortBy: ({ durationMs }) => durationMs,
    cell: ({ durationMs }) => formatShortDuration(durationMs / 1000),
  },
  {
    id: "base",
    header: "On the base",
    secondary: true,
    sortBy: ({ baseOutcome }) => (baseOutcome ? BASE_OUTCOME[baseOutcome] : ""),
    cell: ({ baseOutcome }) => (baseOutcome ? BASE_OUTCOME[baseOutcome] : NONE),
  },
];

export function Checks({ checks }: { checks: Check[] }) {
  return (
    <div className={classes.table}>
      <DataTable label="Checks" columns={COLUMNS} rows={checks} rowId={({ name }) => name} />
    </div>
  );
}
