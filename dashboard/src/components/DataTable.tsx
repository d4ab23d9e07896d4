import { IconArrowDown, IconArrowUp } from "@tabler/icons-react";
import {
  type ColumnDef,
  createSortedRowModel,
  type Header,
  rowSortingFeature,
  sortFn_basic,
  tableFeatures,
  useTable,
} from "@tanstack/react-table";
import { type ReactNode, useMemo } from "react";
import classes from "./DataTable.module.css";

const features = tableFeatures({
  rowSortingFeature,
  sortedRowModel: createSortedRowModel(),
  sortFns: { basic: sortFn_basic },
});

export interface DataColumn<T> {
  id: string;
  header: string;
  cell: (row: T) => ReactNode;
  /** What the column is sorted by; without it, it is not sortable. */
  sortBy?: (row: T) => string | number;
  /** Aligned to the right, with figures of equal width. */
  numeric?: boolean;
  /** Takes the remaining width. */
  wide?: boolean;
  /** Left out on narrow screens. */
  secondary?: boolean;
}

interface DataTableProps<T> {
  /** Names the table for assistive technology. */
  label: string;
  columns: DataColumn<T>[];
  rows: T[];
  rowId: (row: T) => string;
}

/** A table whose columns can be sorted; rows start in the order in which they are given. */
export function DataTable<T extends object>({ label, columns, rows, rowId }: DataTableProps<T>) {
  const definitions = useMemo(
    () =>
      columns.map(
        (column): ColumnDef<typeof features, T> => ({
          id: column.id,
          accessorFn: (row) => column.sortBy?.(row) ?? null,
          enableSorting: column.sortBy !== undefined,
          sortFn: "basic",
        }),
      ),
    [columns],
  );
  const table = useTable({ features, columns: definitions, data: rows, getRowId: rowId });
  const byId = new Map(columns.map((column) => [column.id, column]));
  const headers = table.getHeaderGroups()[0]?.headers ?? [];
  return (
    <div className={classes.scroll}>
      <table className={classes.table} aria-label={label}>
        <thead>
          <tr>
            {headers.map((header) => {
              const column = byId.get(header.column.id);
              return column && <HeaderCell key={header.id} header={header} column={column} />;
            })}
          </tr>
        </thead>
        <tbody>
          {table.getRowModel().rows.map((row) => (
            <tr key={row.id}>
              {columns.map((column) => (
                <td key={column.id} {...cellProps(column)}>
                  {column.cell(row.original)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

interface HeaderCellProps<T extends object> {
  header: Header<typeof features, T>;
  column: DataColumn<T>;
}

function HeaderCell<T extends object>({ header, column }: HeaderCellProps<T>) {
  const sorted = header.column.getIsSorted();
  if (!header.column.getCanSort()) {
    return (
      <th scope="col" {...cellProps(column)}>
        {column.header || <span className="visually-hidden">Actions</span>}
      </th>
    );
  }
  const direction = sorted === false ? "none" : sorted === "asc" ? "ascending" : "descending";
  return (
    <th scope="col" aria-sort={direction} {...cellProps(column)}>
      <button
        type="button"
        className={classes.sort}
        onClick={header.column.getToggleSortingHandler()}
      >
        {column.header}
        {sorted === "asc" && <IconArrowUp size={13} aria-hidden />}
        {sorted === "desc" && <IconArrowDown size={13} aria-hidden />}
      </button>
    </th>
  );
}

function cellProps(column: Pick<DataColumn<never>, "numeric" | "wide" | "secondary">) {
  return {
    "data-numeric": column.numeric,
    "data-wide": column.wide,
    "data-secondary": column.secondary,
  };
}
