import { Link } from "@tanstack/react-router";
import { useItem, useNewestWorkers } from "@/api/queries";
import type { Worker } from "@/api/types";
import { ActivityLine } from "@/components/ActivityLine";
import { ItemLink, ItemOrigin } from "@/components/ItemLink";
import { Panel } from "@/components/Panel";
import { EmptyState, Loaded, SkeletonRows } from "@/components/States";
import { TaskProgress } from "@/components/TaskProgress";
import { Elapsed } from "@/components/Time";
import { currentTask, parseChecklist } from "@/lib/checklist";
import { isLiveWorker } from "@/lib/statuses";
import classes from "./AtWorkPanel.module.css";

export function AtWorkPanel() {
  const workers = useNewestWorkers();
  return (
    <Panel title="At work" flush actions={<Link to="/workers">All workers</Link>}>
      <Loaded query={workers} what="The workers" skeleton={<SkeletonRows rows={2} height={72} />}>
        {({ items }) => {
          const live = items.filter(({ status }) => isLiveWorker(status));
          if (live.length === 0) return <EmptyState title="No worker is running" />;
          return (
            <ul>
              {live.map((worker) => (
                <LiveWorker key={worker.id} worker={worker} />
              ))}
            </ul>
          );
        }}
      </Loaded>
    </Panel>
  );
}

function LiveWorker({ worker }: { worker: Worker }) {
  const { data: item } = useItem(worker.workItemId);
  const task = item?.spec ? currentTask(parseChecklist(item.spec)) : undefined;
  return (
    <li className={classes.worker}>
      <div className={classes.head}>
        <span className={classes.title}>
          {item ? <ItemLink item={item} /> : worker.repo}
          {item && <ItemOrigin item={item} />}
        </span>
        <Elapsed since={worker.startedAt} />
      </div>
      {task && <p className={classes.task}>{task.text}</p>}
      <div className={classes.foot}>
        {item && <TaskProgress done={item.tasksDone} total={item.tasksTotal} />}
        <ActivityLine worker={worker} />
      </div>
    </li>
  );
}
