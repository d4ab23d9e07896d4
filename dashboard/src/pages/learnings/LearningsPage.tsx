import { SegmentedControl } from "@mantine/core";
import { getRouteApi } from "@tanstack/react-router";
import { lazy, Suspense } from "react";
import { PageHeader } from "@/components/PageHeader";
import { SkeletonRows } from "@/components/States";
import { usePageTitle } from "@/lib/page-title";
import { LEARNING_VIEWS } from "@/router";
import { Browse } from "./Browse";

const EffectView = lazy(() => import("./effect/EffectView"));

const route = getRouteApi("/shell/learnings");
const VIEW_LABEL: Record<(typeof LEARNING_VIEWS)[number], string> = {
  browse: "Browse",
  effect: "Do they help?",
};

export function LearningsPage() {
  usePageTitle("Learnings");
  const { view = "browse" } = route.useSearch();
  const navigate = route.useNavigate();
  return (
    <>
      <PageHeader
        title="Learnings"
        description="What agents noted for later tasks of the same repository."
        actions={
          <SegmentedControl
            aria-label="View"
            data={LEARNING_VIEWS.map((value) => ({ value, label: VIEW_LABEL[value] }))}
            value={view}
            onChange={(value) =>
              void navigate({
                search: { view: LEARNING_VIEWS.find((candidate) => candidate === value) },
                replace: true,
              })
            }
          />
        }
      />
      {view === "browse" ? (
        <Browse />
      ) : (
        <Suspense fallback={<SkeletonRows rows={6} height={72} />}>
          <EffectView />
        </Suspense>
      )}
    </>
  );
}
