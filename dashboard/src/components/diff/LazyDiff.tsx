import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";
import type { DiffSource } from "./DiffView";

const DiffView = lazy(() => import("./DiffView"));

export function LazyDiff({ source }: { source: DiffSource }) {
  return (
    <Suspense fallback={<Skeleton height={80} />}>
      <DiffView source={source} />
    </Suspense>
  );
}
