import type { ReactNode } from "react";
import { useItem } from "@/api/queries";
import type { Worker } from "@/api/types";
import { ActivityLine } from "@/components/ActivityLine";
import { ItemLink, ItemOrigin } from "@/components/ItemLink";
import { WorkerStatusBadge } from "@/components/StatusBadge";
import { TaskProgress } from "@/components/TaskProgress";
import { Elapsed } from "@/components/Time";
import { currentTask, parseChecklist } from "@/lib/checklist";
import { formatUsd } from "@/lib/format";
import { KillButton } from "./KillButton";
import classes from "./LiveWorkerCard.module.css";

export function LiveWorkerCard({ worker }: { worker: Worker }) {
  const { data: item } = useItem(worker.workItemId);
  const task = item?.spec ? currentTask(parseChecklist(item.spec)) : undefined;
  return (
    <li className={classes.worker}>
      <div className={classes.main}>
        <div className={classes.head}>
          <WorkerStatusBadge status={worker.status} />
          <span className={classes.title}>{item ? <ItemLink item={item} /> : worker.repo}</span>
        </div>
        {item && <ItemOrigin item={item} />}
        {task && <p className={classes.task}>{task.text}</p>}
        <div className={classes.now}>
          {item && <TaskProgress done={item.tasksDone} total={item.tasksTotal} />}
          <ActivityLine worker={worker} />
        </div>
      </div>
      <dl className={classes.facts}>
        <Fact name="Iteration">
          {worker.iteration} / {worker.maxIterations}
        </Fact>
        <Fact name="Elapsed">
          <Elapsed since={worker.startedAt} />
        </Fact>
        <Fact name="Heartbeat">
          {worker.lastHeartbeatAt ? (
            <>
              <Elapsed since={worker.lastHeartbeatAt} /> ago
            </>
          ) : (
            "none yet"
          )}
        </Fact>
        <Fact name="Cost">{formatUsd(worker.stats.costUsd)}</Fact>
      </dl>
      <KillButton worker={worker} />
    </li>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt className={classes.name}>{name}</dt>
      <dd className="tabular">{children}</dd>
    </div>
  );
}
