import { IconCircle, IconCircleCheck, IconProgress } from "@tabler/icons-react";
import { useMemo } from "react";
import type { WorkItem } from "@/api/types";
import { Markdown } from "@/components/Markdown";
import { Panel } from "@/components/Panel";
import { EmptyState } from "@/components/States";
import { TaskProgress } from "@/components/TaskProgress";
import { introduction, parseChecklist, type Task } from "@/lib/checklist";
import classes from "./ChecklistPanel.module.css";

export function ChecklistPanel({ item }: { item: WorkItem }) {
  const spec = item.spec ?? "";
  const tasks = useMemo(() => parseChecklist(spec), [spec]);
  const intro = useMemo(() => introduction(spec), [spec]);
  const working = item.status === "in_progress";
  const current = working ? tasks.findIndex((task) => !task.done) : -1;
  return (
    <Panel
      title="Checklist"
      actions={<TaskProgress done={item.tasksDone} total={item.tasksTotal} />}
    >
      {spec === "" ? (
        <NoSpec item={item} />
      ) : (
        <div className={classes.content}>
          {intro && <Markdown text={intro} />}
          <ol className={classes.tasks}>
            {tasks.map((task, index) => (
              // Tasks keep their place; two may have the same text.
              // biome-ignore lint/suspicious/noArrayIndexKey: the position identifies a task.
              <TaskRow key={index} task={task} current={index === current} />
            ))}
          </ol>
        </div>
      )}
    </Panel>
  );
}

function NoSpec({ item }: { item: WorkItem }) {
  if (!item.description) return <EmptyState title="No checklist" />;
  return (
    <div className={classes.content}>
      <p className={classes.note}>The checklist is written from this description.</p>
      <Markdown text={item.description} />
    </div>
  );
}

function TaskRow({ task, current }: { task: Task; current: boolean }) {
  const state = task.done ? "done" : current ? "current" : "open";
  const Icon = { done: IconCircleCheck, current: IconProgress, open: IconCircle }[state];
  const label = { done: "Done", current: "At work", open: "Open" }[state];
  return (
    <li className={classes.task} data-state={state}>
      <Icon size={18} stroke={1.75} className={classes.icon} aria-hidden />
      <div className={classes.body}>
        <span className="visually-hidden">{label}: </span>
        {task.text}
        {task.details.length > 0 && (
          <ul className={classes.details}>
            {task.details.map((detail) => (
              <li key={detail}>{detail}</li>
            ))}
          </ul>
        )}
      </div>
    </li>
  );
}
