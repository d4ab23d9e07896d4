import { Skeleton } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./Tiles.module.css";

/** A row of figures. */
export function Tiles({ children }: { children: ReactNode }) {
  return <div className={classes.tiles}>{children}</div>;
}

interface TileProps {
  label: string;
  /** `undefined` while it is loaded. */
  value: string | undefined;
  /** Explains or divides the figure. */
  children?: ReactNode;
}

export function Tile({ label, value, children }: TileProps) {
  return (
    <section className={classes.tile} aria-label={label}>
      <h2 className={classes.label}>{label}</h2>
      <div className={classes.value}>{value ?? <Skeleton height={24} width={72} />}</div>
      <div className={classes.note}>{children}</div>
    </section>
  );
}
