import { Skeleton } from "@mantine/core";
import classes from "./ItemPage.module.css";

export function ItemSkeleton() {
  return (
    <div role="status" aria-label="Loading">
      <Skeleton height={28} width="60%" />
      <Skeleton height={20} width="40%" mt={8} mb={40} />
      <div className={classes.columns}>
        <Skeleton height={320} radius="lg" />
        <Skeleton height={480} radius="lg" />
      </div>
    </div>
  );
}
