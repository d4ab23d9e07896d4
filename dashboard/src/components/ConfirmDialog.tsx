import { lazy, Suspense } from "react";
import type { ConfirmDialogProps } from "./ConfirmModal";

const ConfirmModal = lazy(() => import("./ConfirmModal"));

/** Asks before an action. Its code is loaded when a dialog opens for the first time. */
export function ConfirmDialog(props: ConfirmDialogProps) {
  if (!props.opened) return null;
  return (
    <Suspense>
      <ConfirmModal {...props} />
    </Suspense>
  );
}
