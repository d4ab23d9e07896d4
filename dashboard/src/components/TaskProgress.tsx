import { Progress } from "@mantine/core";
import classes from "./TaskProgress.module.css";

/** `2/5 tasks` with a bar; nothing without a checklist. */
export function TaskProgress({ done, total }: { done: number; total: number }) {
  if (total === 0) return null;
  return (
    <span className={classes.progress}>
      <Progress
        value={(100 * done) / total}
        size={5}
        radius="xl"
        color={done === total ? "var(--success)" : "var(--running)"}
        className={classes.bar}
        aria-label="Tasks done"
      />
      <span className="tabular">
        {done}/{total}
        <span className="visually-hidden"> tasks done</span>
      </span>
    </span>
  );
}
