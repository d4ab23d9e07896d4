import { Skeleton } from "@mantine/core";
import { lazy, Suspense } from "react";

const MarkdownText = lazy(() => import("./MarkdownText"));

/** Markdown of an untrusted author. */
export function Markdown({ text }: { text: string }) {
  return (
    <Suspense fallback={<Skeleton height={48} />}>
      <MarkdownText text={text} />
    </Suspense>
  );
}
