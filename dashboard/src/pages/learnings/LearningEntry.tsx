import { ActionIcon } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import {
  IconArchive,
  IconArchiveOff,
  IconPencil,
  IconPin,
  IconPinnedOff,
  type TablerIcon,
} from "@tabler/icons-react";
import { Link } from "@tanstack/react-router";
import { useUpdateLearning } from "@/api/actions";
import type { Learning } from "@/api/types";
import { Markdown } from "@/components/Markdown";
import { ToneBadge } from "@/components/StatusBadge";
import { RelativeTime } from "@/components/Time";
import { LEARNING_KIND } from "@/lib/statuses";
import { EditLearningDialog } from "./EditLearningDialog";
import classes from "./LearningsPage.module.css";

export function LearningEntry({ learning }: { learning: Learning }) {
  const { label } = LEARNING_KIND[learning.kind];
  return (
    <li className={classes.entry} data-row tabIndex={-1}>
      <ToneBadge tone="neutral" label={label} />
      <div className={classes.content}>
        <Markdown text={learning.text} />
        <p className={classes.meta}>
          {learning.pinnedAt && <ToneBadge tone="running" label="Pinned" icon={IconPin} />}
          {learning.retiredAt && <ToneBadge tone="neutral" label="Retired" icon={IconArchive} />}
          <span>{learning.repo}</span>
          <RelativeTime at={learning.createdAt} />
          {learning.workItemId && (
            <Link to="/work/$id" params={{ id: learning.workItemId }}>
              from this item
            </Link>
          )}
        </p>
      </div>
      <Actions learning={learning} />
    </li>
  );
}

function Actions({ learning }: { learning: Learning }) {
  const [editing, edit] = useDisclosure(false);
  const update = useUpdateLearning();
  const set = (body: { pinned?: boolean; retired?: boolean }) =>
    update.mutate({ params: { path: { id: learning.id } }, body });
  const { pinnedAt, retiredAt, text } = learning;
  return (
    <div className={classes.actions}>
      {!retiredAt && (
        <>
          <Action label="Edit" of={text} icon={IconPencil} onClick={edit.open} />
          <Action
            label={pinnedAt ? "Unpin" : "Pin"}
            of={text}
            icon={pinnedAt ? IconPinnedOff : IconPin}
            onClick={() => set({ pinned: !pinnedAt })}
          />
        </>
      )}
      <Action
        label={retiredAt ? "Use again" : "Retire"}
        of={text}
        icon={retiredAt ? IconArchiveOff : IconArchive}
        onClick={() => set({ retired: !retiredAt })}
      />
      {editing && <EditLearningDialog learning={learning} opened onClose={edit.close} />}
    </div>
  );
}

interface ActionProps {
  label: string;
  of: string;
  icon: TablerIcon;
  onClick: () => void;
}

function Action({ label, of, icon: Icon, onClick }: ActionProps) {
  return (
    <ActionIcon
      variant="subtle"
      color="gray"
      className={classes.action}
      title={label}
      aria-label={`${label}: ${of.slice(0, 80)}`}
      onClick={onClick}
    >
      <Icon size={17} />
    </ActionIcon>
  );
}
