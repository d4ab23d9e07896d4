import { useAttention } from "@/api/attention";
import { useStatus } from "@/api/queries";
import type { Status } from "@/api/types";
import { PageHeader } from "@/components/PageHeader";
import { ErrorState } from "@/components/States";
import { usePageTitle } from "@/lib/page-title";
import { AttentionPanel } from "./AttentionPanel";
import { AtWorkPanel } from "./AtWorkPanel";
import { BlockedPanel } from "./BlockedPanel";
import { FirstStepsPanel } from "./FirstStepsPanel";
import { headline } from "./headline";
import classes from "./OverviewPage.module.css";
import { PullRequestsPanel } from "./PullRequestsPanel";
import { RecentPanel } from "./RecentPanel";
import { StatTiles } from "./StatTiles";

export function OverviewPage() {
  const status = useStatus();
  const attention = useAttention();
  const { title, description } = headline(status.data, attention.length);
  usePageTitle(attention.length > 0 ? `(${attention.length}) Overview` : "Overview");
  if (status.error && !status.data) {
    return (
      <ErrorState
        title="The overview could not be loaded"
        error={status.error}
        onRetry={() => void status.refetch()}
        retrying={status.isFetching}
      />
    );
  }
  return (
    <>
      <PageHeader title={title} description={description} />
      <div className={classes.sections}>
        <StatTiles />
        {status.data && isNew(status.data) && <FirstStepsPanel status={status.data} />}
        {attention.length > 0 && <AttentionPanel attention={attention} />}
        {status.data && <BlockedPanel status={status.data} />}
        <div className={classes.columns}>
          <AtWorkPanel />
          <PullRequestsPanel />
        </div>
        {status.data && !isNew(status.data) && <RecentPanel />}
      </div>
    </>
  );
}

/** Until the first pull request. */
function isNew(status: Status): boolean {
  return (status.items.completed ?? 0) === 0;
}
