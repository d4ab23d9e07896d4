import { useHealth, useStatus } from "@/api/queries";
import { PageHeader } from "@/components/PageHeader";
import { Panel } from "@/components/Panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { usePageTitle } from "@/lib/page-title";
import { Breakers } from "./Breakers";
import { Credentials } from "./Credentials";
import { Dependencies } from "./Dependencies";
import { Limits } from "./Limits";
import { Locks } from "./Locks";
import { Settings } from "./Settings";
import classes from "./SystemPage.module.css";
import { Tasks } from "./Tasks";

export function SystemPage() {
  usePageTitle("System");
  const health = useHealth();
  const status = useStatus();
  const breakers = status.data?.breakers ?? [];
  return (
    <>
      <PageHeader
        title="System"
        description={
          status.data
            ? `Whim ${status.data.version}, workers run in the runtime “${status.data.runtime.kind}”.`
            : " "
        }
      />
      <div className={classes.sections}>
        <Panel title="Dependencies" flush>
          <Loaded query={health} what="The health" skeleton={<SkeletonRows rows={5} />}>
            {(data) => <Dependencies health={data} />}
          </Loaded>
        </Panel>
        <div className={classes.column}>
          <Panel title="Limits" flush>
            <Loaded query={status} what="The limits" skeleton={<SkeletonRows rows={4} />}>
              {(data) => <Limits status={data} />}
            </Loaded>
          </Panel>
          <Panel
            title="Circuit breakers"
            note={breakers.length > 0 ? `${breakers.length} open` : undefined}
            flush
          >
            <Loaded query={status} what="The breakers" skeleton={<SkeletonRows rows={1} />}>
              {() =>
                breakers.length === 0 ? (
                  <EmptyState title="All closed">
                    A breaker opens when a dependency fails repeatedly: work that needs it waits and
                    loses no retry.
                  </EmptyState>
                ) : (
                  <Breakers breakers={breakers} paused={status.data?.paused != null} />
                )
              }
            </Loaded>
          </Panel>
        </div>
        <div className={classes.full}>
          <Credentials status={status.data} />
        </div>
        <div className={classes.full}>
          <Locks />
        </div>
        <div className={classes.full}>
          <Tasks />
        </div>
        <div className={classes.full}>
          <Settings />
        </div>
      </div>
    </>
  );
}
