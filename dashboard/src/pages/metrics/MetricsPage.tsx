import { SegmentedControl } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { useMemo } from "react";
import type { Worker } from "@/api/types";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { formatInteger } from "@/lib/format";
import { usePageTitle } from "@/lib/page-title";
import { METRIC_RANGES } from "@/router";
import { bucketsOf, type Range, summaryOf, usageByRepo } from "./attempts";
import { CostChart, OutcomeChart } from "./Charts";
import { DailyUsagePanel } from "./DailyUsagePanel";
import { DurationChart } from "./DurationChart";
import classes from "./MetricsPage.module.css";
import { RepoTable } from "./RepoTable";
import { SummaryTiles } from "./SummaryTiles";
import { MAX_ATTEMPTS, useAttempts } from "./useAttempts";

const route = getRouteApi("/shell/metrics");

type RangeName = (typeof METRIC_RANGES)[number];

const RANGES: Record<RangeName, Range & { label: string }> = {
  "24h": { label: "24 hours", hours: 24, bucketHours: 1 },
  "7d": { label: "7 days", hours: 7 * 24, bucketHours: 24 },
  "30d": { label: "30 days", hours: 30 * 24, bucketHours: 24 },
  "90d": { label: "90 days", hours: 90 * 24, bucketHours: 24 },
};

export function MetricsPage() {
  usePageTitle("Metrics");
  const name = route.useSearch().range ?? "7d";
  const navigate = route.useNavigate();
  const range = RANGES[name];
  const attempts = useAttempts(range.hours);
  // The last 24 hours are part of two days.
  const days = Math.max(2, range.hours / 24);
  return (
    <>
      <PageHeader
        title="Metrics"
        description="Attempts by the time at which they started. Days are UTC days."
        actions={
          <SegmentedControl
            aria-label="Range"
            data={METRIC_RANGES.map((value) => ({ value, label: RANGES[value].label }))}
            value={name}
            onChange={(value) =>
              void navigate({
                search: { range: METRIC_RANGES.find((range) => range === value) },
                replace: true,
              })
            }
          />
        }
      />
      <Loaded
        query={attempts}
        what="The metrics"
        skeleton={
          <Panel title="Attempts" flush>
            <SkeletonRows rows={6} />
          </Panel>
        }
      >
        {({ workers, incomplete }) => (
          <>
            {incomplete && (
              <p className={classes.notice} role="status">
                Only the newest {formatInteger(MAX_ATTEMPTS)} attempts of this range are counted.
              </p>
            )}
            <Content workers={workers} range={range} />
          </>
        )}
      </Loaded>
      <div className={classes.daily}>
        <DurationChart days={days} />
        <DailyUsagePanel days={days} />
      </div>
    </>
  );
}

function Content({ workers, range }: { workers: Worker[]; range: Range }) {
  const summary = useMemo(() => summaryOf(workers), [workers]);
  const usage = useMemo(() => usageByRepo(workers), [workers]);
  const buckets = useMemo(() => bucketsOf(workers, range, Date.now()), [workers, range]);
  if (workers.length === 0) {
    return (
      <Panel title="Attempts">
        <EmptyState title="No attempt in this range">
          Choose a longer one, or add work to the queue.
        </EmptyState>
      </Panel>
    );
  }
  return (
    <div className={classes.sections}>
      <SummaryTiles summary={summary} />
      <div className={classes.charts}>
        <OutcomeChart buckets={buckets} range={range} />
        <CostChart buckets={buckets} range={range} />
      </div>
      <RepoTable usage={usage} />
    </div>
  );
}
