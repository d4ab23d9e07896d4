import { IconAlertTriangle, IconCircleCheck } from "@tabler/icons-react";
import type { Health } from "@/api/types";
import { ToneBadge } from "@/components/StatusBadge";
import classes from "./rows.module.css";

const DEPENDENCIES: { key: Exclude<keyof Health, "healthy">; name: string; needed: string }[] = [
  { key: "postgres", name: "Postgres", needed: "Required for everything" },
  { key: "redis", name: "Redis", needed: "Required to start workers" },
  { key: "runtime", name: "Worker runtime", needed: "Required to start workers" },
  { key: "github", name: "GitHub", needed: "As reported by workers" },
  { key: "model", name: "Model API", needed: "As reported by workers" },
];

export function Dependencies({ health }: { health: Health }) {
  return (
    <ul>
      {DEPENDENCIES.map(({ key, name, needed }) => {
        const dependency = health[key];
        if (!dependency) return null;
        return (
          <li key={key} className={classes.row}>
            <div className={classes.main}>
              <p className={classes.name}>{name}</p>
              <p className={classes.text}>{dependency.message}</p>
              <p className={classes.note}>{needed}</p>
            </div>
            {dependency.healthy ? (
              <ToneBadge tone="success" label="Healthy" icon={IconCircleCheck} />
            ) : (
              <ToneBadge tone="danger" label="Unavailable" icon={IconAlertTriangle} />
            )}
          </li>
        );
      })}
    </ul>
  );
}
