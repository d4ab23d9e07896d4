import { SegmentedControl } from "@mantine/core";
import { useState } from "react";
import { useSettings } from "@/api/queries";
import type { EffectiveSetting } from "@/api/types";
import { type DataColumn, DataTable } from "@/components/DataTable";
import { Panel } from "@/components/Panel";
import { Loaded, SkeletonRows } from "@/components/States";
import classes from "./Settings.module.css";

const COLUMNS: DataColumn<EffectiveSetting>[] = [
  {
    id: "name",
    header: "Setting",
    sortBy: ({ name }) => name,
    cell: ({ name }) => <code>{name}</code>,
  },
  { id: "value", header: "Value", wide: true, cell: (setting) => <Value setting={setting} /> },
  {
    id: "origin",
    header: "Origin",
    secondary: true,
    sortBy: ({ isSet }) => Number(isSet),
    cell: ({ isSet }) => (isSet ? "Set" : "Default"),
  },
];

function Value({ setting }: { setting: EffectiveSetting }) {
  if (setting.isSecret) {
    return <span className={classes.muted}>{setting.isSet ? "Set, hidden" : "Not set"}</span>;
  }
  if (setting.value == null) return <span className={classes.muted}>Not set</span>;
  return <code className={classes.value}>{setting.value}</code>;
}

/** The settings with which the orchestrator was started; it keeps secrets to itself. */
export function Settings() {
  const settings = useSettings();
  const [shown, setShown] = useState("set");
  return (
    <Panel
      title="Settings"
      flush
      actions={
        <SegmentedControl
          size="xs"
          aria-label="Settings: view"
          data={[
            { value: "set", label: "Set" },
            { value: "all", label: "All" },
          ]}
          value={shown}
          onChange={setShown}
        />
      }
    >
      <Loaded query={settings} what="The settings" skeleton={<SkeletonRows rows={6} />}>
        {(data) => (
          <DataTable
            label="Settings"
            columns={COLUMNS}
            rows={data.settings.filter(({ isSet }) => isSet || shown === "all")}
            rowId={({ name }) => name}
          />
        )}
      </Loaded>
    </Panel>
  );
}
