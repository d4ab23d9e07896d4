-- Pages of a source, the newest first: of a rare one, nothing else is read.
create index work_items_source on work_items (source, id);
