import { IconCircleCheck, IconCircleDashed } from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { useHealth } from "@/api/queries";
import type { Health, Status } from "@/api/types";
import { Panel } from "@/components/Panel";
import classes from "./FirstStepsPanel.module.css";
import { isConnected, isSubmitted } from "./first-steps";

export function FirstStepsPanel({ status }: { status: Status }) {
  const { data: health } = useHealth();
  return (
    <Panel title="Three steps to the first pull request">
      <ol className={classes.steps}>
        <Step done={isConnected(health)} title="Connect Whim">
          {connectionText(health)}
        </Step>
        <Step done={isSubmitted(status)} title="Submit the first item">
          Put the label <code>whim</code> (the setting <code>INTAKE_LABEL</code>) on an issue of a
          watched repository, or{" "}
          <Link to="/queue" search={{ add: true }}>
            add work here
          </Link>
          .
        </Step>
        <Step done={(status.items.completed ?? 0) > 0} title="Review the pull request">
          It appears here, and as a comment on the issue.
        </Step>
      </ol>
    </Panel>
  );
}

function connectionText(health: Health | undefined): ReactNode {
  if (!health) return "Checking Postgres, Redis, the worker runtime, GitHub and the model API.";
  if (isConnected(health))
    return "Postgres, Redis and the worker runtime respond; GitHub and the model API report no problem.";
  return (
    <>
      Not everything responds. <Link to="/system">See what is missing</Link>.
    </>
  );
}

function Step({ done, title, children }: { done: boolean; title: string; children: ReactNode }) {
  const Icon = done ? IconCircleCheck : IconCircleDashed;
  return (
    <li className={classes.step} data-done={done}>
      <Icon size={22} stroke={1.75} className={classes.icon} aria-hidden />
      <div>
        <h3 className={classes.title}>
          {title}
          <span className="visually-hidden">{done ? " (done)" : " (open)"}</span>
        </h3>
        <p className={classes.text}>{children}</p>
      </div>
    </li>
  );
}
